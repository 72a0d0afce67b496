"""How do several workers of one server switch to new code together?

By two-phase commit. The parts, in reading order: `commit` (the decisions), `forms` and `protocol`
(the messages), `rendezvous` (how workers find each other), `coordinator` (in the one worker that
decides; `trial_counts` for trials), `connection`, `voted_view` (what is voted on) and `worker` (in
every worker), `membership` (when a process becomes a worker).

Each worker watches and stages by itself. When its next generation is staged, it tells the
coordinator, which has the others stage the same; once all have, it tells all of them to publish,
and each does with one swap. The worker that holds a lock has the coordinator; when it dies another
takes over.
"""

from transfuse.workers.membership import (
    NOTHING,
    Served,
    begin,
    group,
    join_team,
    leave,
    server,
    to_serve,
)

__all__ = [
    "NOTHING",
    "Served",
    "begin",
    "group",
    "join_team",
    "leave",
    "server",
    "to_serve",
]
