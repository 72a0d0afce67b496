"""How do several workers of one server switch to new code together?

The parts, in reading order: `ballot` (when may all publish, and when must all refuse), `wire` (how
they talk), `meeting` (who are we, and where do we meet), `chair` (the one worker that counts),
`member` (each worker's side), `joining` (when a process becomes one).

Each worker watches and stages by itself. When its next generation is staged, it tells the chair,
which has the others stage the same; once all have, it tells all of them to publish, and each does
with one swap. The chair is whichever worker holds a lock; when it dies another takes over.
"""

from transfuse.workers.membership import begin, contents_of_others, group, leave

__all__ = ["begin", "contents_of_others", "group", "leave"]
