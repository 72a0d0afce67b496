"""How are results shown: as a table on a terminal, as JSON, and in docs/applications.md?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from apps.bars import most_cpu, served, verdicts, wrong_answers
from apps.known import KNOWN
from apps.results import Result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from apps.results import Step

# Between these lines of the page the tables are written anew.
_BEGIN, _END = "<!-- measured -->\n", "<!-- end of what was measured -->\n"


def read(path: Path) -> list[Result]:
    """Return the results that `write` has put into a file."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Result.from_json(each["result"]) for each in told]


def write(path: Path, results: list[Result]) -> None:
    """Write results as JSON, with the verdicts beside them for other readers."""
    told = []
    for result in results:
        judged = [
            {"known": (result.name, each.bar) in KNOWN, **each._asdict()}
            for each in verdicts(result)
        ]
        told.append({"result": asdict(result), "verdicts": judged})
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def lines(result: Result) -> Iterator[str]:
    """Tell what came of one application."""
    yield f"{result.name} {result.version} ({result.framework}, {result.modules} live modules)"
    if result.steps:
        yield (
            f"   {'edit':<14}{'outcome':<11}{'run':>5}{'CPU s':>8}{'allowed':>9}"
            f"{'import':>8}{'MiB':>6}   answers"
        )
    for step in result.steps:
        yield (
            f"   {step.kind:<14}{step.outcome:<11}{len(step.ran):>5}{step.cpu:>8.2f}"
            f"{most_cpu(step):>9.2f}{step.importing:>8.2f}{step.resident >> 10:>6}   "
            f"{_answers(step)}"
        )
        yield from (f"      {each}" for each in _said(step))
    for series in result.memory:
        first, last = series.resident[0] >> 10, series.resident[-1] >> 10
        yield (
            f"   {series.edits} edits of {series.path}: {first} to {last} MiB, "
            f"{series.growth:.0f} KiB an edit of the later half"
            f"{f'; stopped {series.stopped}' if series.stopped else ''}"
            f"{f'; {series.refused} refused' if series.refused else ''}"
            f"{f'; {series.restarts} asked for a restart' if series.restarts else ''}"
        )
    for each in verdicts(result):
        known = KNOWN.get((result.name, each.bar))
        word = "met" if each.met else "NOT MET"
        note = f" (known: {known})" if known else ""
        yield f"   {word:<8} {each.bar:<15} {each.figure}; bar: {each.wanted}{note}"
    if result.trouble:
        yield f"   TROUBLE: {result.trouble}"


def _answers(step: Step) -> str:
    if step.kind == "syntax error" and served(step):
        return "DIFFER" if step.differing else "as before"
    if wrong_answers(step):
        return f"DIFFER in {len(step.differing)}"
    if not served(step):
        return "NOT SERVED"
    return "restart asked for" if step.restart else "equal"


def _said(step: Step) -> Iterator[str]:
    if step.kind != "syntax error" and step.error:
        yield f"refused: {step.error[:300]}"
    for name, code, _ in step.restart[:3]:
        yield f"needs a restart: {name} ({code})"
    yield from (each[:400] for each in step.differing[:3])


def document(path: Path, results: list[Result]) -> None:
    """Write the tables into the page, between its two marks."""
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    table = "\n".join(_markdown(results))
    path.write_text(f"{before}{_BEGIN}\n{table}\n\n{_END}{after}", encoding="utf-8")


def _markdown(results: list[Result]) -> Iterator[str]:
    yield "| application | live modules | bar | measured | must reach | met |"
    yield "|---|---|---|---|---|---|"
    for result in results:
        name = f"{result.name} {result.version}, {result.framework}, {result.date}"
        modules = str(result.modules)
        for each in verdicts(result):
            met = "yes" if each.met else "**no**"
            yield f"| {name} | {modules} | {each.bar} | {each.figure} | {each.wanted} | {met} |"
            name = modules = ""
    yield ""
    yield "| application | edit | outcome | modules run | CPU s | allowed | import | answers |"
    yield "|---|---|---|---|---|---|---|---|"
    for result in results:
        name = result.name
        for step in result.steps:
            yield (
                f"| {name} | {step.kind} | {step.outcome} | {len(step.ran)} | {step.cpu:.2f} | "
                f"{most_cpu(step):.2f} | {step.importing:.2f} | {_answers(step)} |"
            )
            name = ""
