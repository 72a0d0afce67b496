"""All runs of one application, plain and live."""

from __future__ import annotations

import statistics
import sys
from typing import TYPE_CHECKING, NamedTuple

from apps.answers import differences, unhealthy
from apps.process import Process, ProcessError
from apps.results import Latency, Memory, Start, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.answers import Answers
    from apps.description import Edit
    from apps.results import Result
    from apps.site import Site

# A series of edits stops beyond this many KiB of resident memory.
_MOST_RESIDENT = 2 << 20
_BROKEN = "\ndef broken(:\n"


class TrialError(Exception):
    """The description of an application is wrong: without Transfuse it does not do what it says."""


class Limits(NamedTuple):
    """How much is measured.

    Attributes:
        runs: processes of each kind whose start is measured.
        edits: edits of each series for memory.
        seconds: the CPU that one series may take.
    """

    runs: int
    edits: int
    seconds: float


class Fresh(NamedTuple):
    """What a fresh plain process says and needs, as in `Step`."""

    answers: Answers
    costs: dict[str, float]
    importing: float


def run(site: Site, limits: Limits, result: Result) -> None:
    """Measure it all, and put it into `result` as it comes.

    Raises:
        TrialError, ProcessError: it could not be measured to the end.
    """
    site.reset()
    check(site)
    result.plain, result.live = _start(site, limits.runs)
    site.reset()
    _edits(site, result)
    site.reset()
    result.latency = _latency(site)
    for kind in ("leaf", "middle"):
        for edit in site.app.edits:
            if edit.kind == kind:
                site.reset()
                result.memory.append(_memory(site, edit, limits))


def check(site: Site) -> None:
    """See that two plain processes answer alike; this warms the caches of bytecode, too."""
    first, second = ask_fresh(site).answers, ask_fresh(site).answers
    if found := unhealthy(site.app, first) or differences(site.app, first, second):
        raise TrialError("two plain processes:\n" + "\n".join(found))


def ask_fresh(site: Site) -> Fresh:
    """Start a plain process, and ask it."""
    with Process(site, live=False, traced=True) as plain:
        importing = plain.do("start")["cpu"]
        told = plain.do("ask")
        return Fresh(told["answers"], told["costs"], importing)


def _start(site: Site, runs: int) -> tuple[Start, Start]:
    """Start plain and live processes in turn; the first pair only warms the caches."""
    found: dict[bool, list[Start]] = {False: [], True: []}
    for _ in range(runs + 1):
        for live, starts in found.items():
            with Process(site, live=live) as process:
                imported = process.do("start")["cpu"]
                told = process.do("ask")
            starts.append(Start(imported, told["cpu"], told["resident"]))
            _say(f"{'live' if live else 'plain'}: imported in {imported:.2f} s of CPU")
    plain, live_ones = (_medians(starts[1:]) for starts in found.values())
    return plain, live_ones


def _medians(starts: list[Start]) -> Start:
    return Start(
        statistics.median(each.imported for each in starts),
        statistics.median(each.answered for each in starts),
        statistics.median(each.resident for each in starts),
    )


def _changes(site: Site) -> Iterator[tuple[str, str]]:
    """Make one change after the other in the root, and say of what kind, and where."""
    for edit in site.app.edits:
        before = site.read(edit.path)
        site.write(edit.path, site.edited(edit))
        yield ("route added" if edit.kind == "route" else edit.kind), edit.path
        if edit.kind == "route":
            site.write(edit.path, before)
            yield "route removed", edit.path
    leaf = next(edit.path for edit in site.app.edits if edit.kind == "leaf")
    before = site.read(leaf)
    site.write(leaf, before + _BROKEN)
    yield "syntax error", leaf
    site.write(leaf, f"{before}\n_REPAIRED = True\n")
    yield "repair", leaf
    if site.app.following:
        site.deploy_next()
        yield "release", site.app.following.version


def _edits(site: Site, result: Result) -> None:
    """Make all changes; where a restart is asked for, a new process goes on with the next one."""
    fresh = ask_fresh(site)
    result.modules = len(fresh.costs)
    changes = _changes(site)
    while True:
        with Process(site, live=True) as live:
            live.do("start")
            served: Answers = live.do("ask")["answers"]
            if found := differences(site.app, fresh.answers, served):
                raise ProcessError("differs before any edit:\n" + "\n".join(found))
            restart = False
            while not restart and (change := next(changes, None)):
                # Broken source has no fresh process.
                fresh = fresh if change[0] == "syntax error" else ask_fresh(site)
                step, served = _step(site, live, change, fresh, served)
                result.steps.append(step)
                _say(f"{step.kind}: {step.outcome}, {len(step.ran)} run, {step.cpu:.2f} s of CPU")
                restart = bool(step.restart)
            result.status = max(result.status, live.do("status")["seconds"])
            if not restart:
                return


def _step(
    site: Site, live: Process, change: tuple[str, str], fresh: Fresh, before: Answers
) -> tuple[Step, Answers]:
    """Update to a change, and return what is answered then, too."""
    report, told = live.do("update"), live.do("ask")
    kind, path = change
    ran = report["ran"]
    # A refused update changes nothing.
    wanted = before if report["outcome"] == "refused" else fresh.answers
    step = Step(
        kind=kind,
        path=path,
        outcome=report["outcome"],
        ran=ran,
        cpu=report["cpu"],
        seconds=report["seconds"],
        executing=sum(fresh.costs.get(name, 0.0) for name, _ in ran),
        importing=fresh.importing,
        modules=len(fresh.costs),
        resident=told["resident"],
        restart=report["restart"],
        error=report["error"],
        differing=differences(site.app, wanted, told["answers"]),
    )
    return step, told["answers"]


def _latency(site: Site) -> Latency:
    with Process(site, live=True) as live:
        live.do("start")
        live.do("ask")
        found = Latency(**live.do("latency"))
    _say(f"99 % of requests in {found.updates * 1000:.1f} ms, beside {found.beside * 1000:.1f} ms")
    return found


def _memory(site: Site, edit: Edit, limits: Limits) -> Memory:
    """Edit one module again and again, and answer all requests after each edit."""
    text = site.read(edit.path)
    with Process(site, live=True) as live:
        live.do("start")
        told = live.do("ask")
        resident, refused, restarts, stopped = [told["resident"]], 0, 0, ""
        # Not of the clock: on a loaded machine there would be few edits.
        end = told["cpu"] + limits.seconds
        for number in range(limits.edits):
            site.write(edit.path, f"{text}\n_EDITED = {number}\n")
            report = live.do("update")
            refused += report["outcome"] != "published"
            restarts += bool(report["restart"])
            told = live.do("ask")
            resident.append(told["resident"])
            if told["cpu"] > end:
                stopped = f"after {limits.seconds:.0f} s of CPU"
            elif resident[-1] > _MOST_RESIDENT:
                stopped = f"at {resident[-1] >> 10} MiB"
            if stopped:
                break
        status = live.do("status")["seconds"]
    _say(f"{len(resident) - 1} edits of {edit.path}: {resident[0]} to {resident[-1]} KiB")
    return Memory(edit.kind, edit.path, resident, stopped, refused, restarts, status)


def _say(text: str) -> None:
    print(f"   {text}", file=sys.stderr, flush=True)
