"""Do real packages notice? Their own test suites, with and without Transfuse, test by test.

`python -m packages` (or `make test-packages`) fetches source distributions from PyPI, makes each
package's source a root and runs its own tests three times: as they are, under `transfuse run`, and
pinned while another thread updates one file after the other. In reading order: `table` (which),
`place` (where it all lies), `suite` (one run of one suite), `outcomes` and `updating` (what runs
inside it), `verdict` (what differs).
"""
