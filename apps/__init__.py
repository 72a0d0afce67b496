"""What does Transfuse cost real applications, and do they answer as a fresh process does?

`python -m apps` (or `make test-apps`) fetches source distributions from PyPI, pinned by digest,
makes each application's source a root, and measures it against the same code without Transfuse:
import, edits, memory over many edits, `status`. In reading order: `description` (what is known of
an application), `table` (which), `place` (where downloads and environments lie), `site` (the copy
that is edited), `process` and `inside` (the process that is measured), `trial` (all runs of one
application) and `results`, `answers` (what differs), `bars` (what it must reach) and `known`
(what does not), `report` (the tables). `versions` is a command of its own: it edits random modules,
and looks for functions that an update has left stale.
"""
