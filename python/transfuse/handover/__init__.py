"""How do fresh processes take over from those that serve, without a lost request?

`transfuse serve` starts a *team*: the processes that serve at the same time. A handover starts the
next team beside it. All listen at one socket, which their parent has bound, so that no connection
is lost that waits to be accepted. The parts, in reading order: `teams` (the decisions), `parent`
(how the parent hears its teams), `member` (in each process of a team), `retirement` (how a process
ends that others have taken over from), `occasions` (which updates ask for a handover, and what is
left behind), `elsewhere` (what to type under other servers).
"""
