"""What must each application reach?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from apps.known import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.results import Result, Step

# The update of a small application may take this long in any case, in seconds.
SMALL = 0.009
# Two measurements of the same percentile differ by as much.
SPREAD = 1.1
# A series of fewer edits shows nothing: caches of the application still fill.
FEWEST = 10


class Verdict(NamedTuple):
    """Whether one application meets one bar.

    Attributes:
        bar: such as ``"import"``.
        met: whether it does.
        figure: what was measured.
        wanted: what it must reach.
    """

    bar: str
    met: bool
    figure: str
    wanted: str


def verdicts(result: Result) -> list[Verdict]:
    """Judge the measured figures; a bar without a figure is left out."""
    found = [_start(result), _updates(result), _requests(result), _memory(result), _end(result)]
    return [each for some in found for each in some]


def _start(result: Result) -> Iterator[Verdict]:
    plain, live = result.plain, result.live
    if plain is None or live is None:
        return
    most = 1.15 * plain.imported + 0.05
    figure = f"{plain.imported:.2f} -> {live.imported:.2f} s"
    yield Verdict("import", live.imported <= most, figure, f"{most:.2f} s")
    most = 1.15 * plain.answered + 0.05
    figure = f"{plain.answered:.2f} -> {live.answered:.2f} s"
    yield Verdict("first answers", live.answered <= most, figure, f"{most:.2f} s")
    most = 1.15 * plain.resident
    figure = f"{plain.resident / 1024:.0f} -> {live.resident / 1024:.0f} MiB"
    yield Verdict("resident", live.resident <= most, figure, f"{most / 1024:.0f} MiB")


def _updates(result: Result) -> Iterator[Verdict]:
    steps = [step for step in result.steps if step.outcome == "published"]
    if leaf := next((step for step in steps if step.kind == "leaf"), None):
        # The issue asks this of FastAPI with 300 modules; all others are held to it, too.
        yield Verdict("leaf", len(leaf.ran) <= 15, f"{len(leaf.ran)} modules", "15 modules")
    if steps:
        worst = max(steps, key=lambda step: step.cpu / most_cpu(step))
        figure = f"{worst.cpu:.2f} s for {len(worst.ran)} modules ({worst.kind})"
        met = worst.cpu <= most_cpu(worst)
        yield Verdict("update", met, figure, f"{most_cpu(worst):.2f} s")
    if result.steps:
        wrong = [step.kind for step in result.steps if not served(step)]
        figure = ", ".join(wrong) or "all"
        yield Verdict("served", not wrong, f"not {figure}" if wrong else figure, "all")
        wrong = [step.kind for step in result.steps if wrong_answers(step)]
        figure = f"not after {', '.join(wrong)}" if wrong else "all"
        yield Verdict("answers", not wrong, figure, "all")


def _requests(result: Result) -> Iterator[Verdict]:
    if (took := result.latency) is not None:
        most = SPREAD * took.beside
        figure = (
            f"99 % within {took.updates * 1000:.0f} ms, {took.beside * 1000:.0f} ms beside as much"
            f" other work; {took.first} that fill caches need {took.own * 1000:.0f} ms of CPU"
            f" themselves, at most {took.slowest * 1000:.0f} ms"
        )
        yield Verdict("requests", took.updates <= most, figure, f"{most * 1000:.0f} ms")


def _memory(result: Result) -> Iterator[Verdict]:
    for each in result.memory:
        later = each.edits - each.edits // 2
        figure = f"{each.growth:.0f} KiB an edit, the last {later} of {each.edits}"
        met = each.growth < 100 and each.edits >= FEWEST
        yield Verdict(f"memory, {each.kind}", met, figure, f"100 KiB, {FEWEST} edits or more")


def _end(result: Result) -> Iterator[Verdict]:
    if result.steps:
        worst = max([result.status, *(each.status for each in result.memory)])
        yield Verdict("status", worst < 0.05, f"{worst * 1000:.0f} ms", "50 ms")
    if result.trouble:
        yield Verdict("end", False, result.trouble.splitlines()[0], "comes to its end")


def most_cpu(step: Step) -> float:
    """Return the seconds of CPU that an update may take."""
    return max(SMALL, min(1.3 * step.executing, step.importing))


def served(step: Step) -> bool:
    """Whether an update did what it has to: publish it, say that it cannot, or refuse nonsense."""
    if step.kind == "syntax error":
        return step.outcome == "refused"
    # Nothing is left to do where the edit takes back a refused one; its answers are compared, too.
    return step.outcome in ("published", "unchanged") or bool(step.restart)


def wrong_answers(step: Step) -> bool:
    """Whether answers differ from a fresh process's, and the report has not said so."""
    return bool(step.differing) and not step.restart


def failing(name: str, found: list[Verdict]) -> list[Verdict]:
    """Return what makes the run fail: wrong answers or a crash that are not known."""
    return [
        each
        for each in found
        if not each.met and each.bar in ("answers", "end") and (name, each.bar) not in KNOWN
    ]
