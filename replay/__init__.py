"""Does a process that was updated through real releases equal one that was started on the last?

`python -m replay` (or `make test-history`) takes packages from PyPI in five consecutive releases
each, starts on the first, and updates through to the last in one process. After each step all it
shows, and what a probe of it finds, is compared with a fresh process without Transfuse. In reading
order: `table` (which), `shelf` (where releases lie, and how one replaces another), `look` (what is
to be seen of a package), `live` (the process that is updated), `verdict` and `carried` (what
differs, and what may), `journey` (one package under one policy).
"""
