"""`python -m packages`: all packages of the table, or those that are named."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packages.place import Place, PlaceError
from packages.suite import Run, SuiteError, run
from packages.table import PACKAGES
from packages.verdict import Difference, differences, tally, uncovered, untidy

if TYPE_CHECKING:
    from packages.suite import Kind
    from packages.table import Package

PROJECT = Path(__file__).resolve().parent.parent
# Differences of one kind that are shown.
SHOWN = 20


class Row(NamedTuple):
    """The result of one package.

    Attributes:
        tests: how many there are.
        plain: what came of them without Transfuse.
        live, updating: how many differ then.
        meanwhile: what went on beside the updating run.
        wrong: what else is wrong, in words.
    """

    name: str
    tests: int
    plain: str
    live: int
    updating: int
    meanwhile: dict[str, Any]
    wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not (self.live or self.updating or self.wrong)


def main() -> int:
    """Try packages, show a table, and return 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m packages", description=__doc__)
    parser.add_argument("names", nargs="*", help="packages of the table; default: all")
    folder = PROJECT / ".packages"
    parser.add_argument("--folder", type=Path, default=folder, help="what is kept between runs")
    options = parser.parse_args()
    if unknown := set(options.names) - {each.name for each in PACKAGES}:
        parser.error(f"not in the table: {', '.join(sorted(unknown))}")
    chosen = [each for each in PACKAGES if not options.names or each.name in options.names]
    place = Place(options.folder, PROJECT)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="transfuse-packages-") as scratch:
        rows = [_row(place, package, Path(scratch).resolve()) for package in chosen]
    _table(rows)
    failed = [row.name for row in rows if not row.good]
    took = f"{time.monotonic() - begun:.0f} s"
    print(f"FAILED: {', '.join(failed)} ({took})" if failed else f"no test differs ({took})")
    return 1 if failed else 0


def _row(place: Place, package: Package, scratch: Path) -> Row:
    _say(f"== {package.name} {package.version}")
    for test, why in package.deselected:
        _say(f"   not run: {test}: {why}")
    for test, why in package.alone:
        _say(f"   not run while updating: {test}: {why}")
    if package.held:
        _say(f"   stays in memory: {package.held}")
    try:
        row = _try(place, package, scratch)
    except (PlaceError, SuiteError) as error:
        _say(str(error))
        return Row(package.name, 0, "", 0, 0, {}, ("did not come to its end",))
    for wrong in row.wrong:
        _say(f"   WRONG: {wrong}")
    return row


def _try(place: Place, package: Package, scratch: Path) -> Row:
    plain = _run(place, package, "plain", scratch)
    live = _run(place, package, "live", scratch)
    updating = _run(place, package, "updating", scratch)
    differing = {
        "live": differences(plain.outcomes, live.outcomes),
        "updating": differences(_without(package.alone, plain.outcomes), updating.outcomes),
    }
    if any(differing.values()):
        # A test that also differs without Transfuse says nothing about it, but is reported.
        again = _run(place, package, "plain", scratch)
        unsteady = {each.test for each in differences(plain.outcomes, again.outcomes)}
        for test in sorted(unsteady):
            _say(f"   differs without Transfuse, too: {test}")
        for kind, found in differing.items():
            differing[kind] = [each for each in found if each.test not in unsteady]
    differing["live"] += uncovered(plain, live)
    for kind, found in differing.items():
        _show(kind, found)
    wrong = untidy(updating.meanwhile, package)
    if broken := [name for name, each in plain.outcomes.items() if each == "error"]:
        wrong.append(f"errors without Transfuse, too: {', '.join(broken[:5])}")
    if live.modules == 0 or updating.modules == 0:
        wrong.append("nothing of it was live")
    return Row(
        package.name,
        len(plain.outcomes),
        tally(plain.outcomes),
        len(differing["live"]),
        len(differing["updating"]),
        updating.meanwhile,
        tuple(wrong),
    )


def _without(alone: tuple[tuple[str, str], ...], outcomes: dict[str, str]) -> dict[str, str]:
    beginnings = tuple(test for test, _ in alone)
    return {test: each for test, each in outcomes.items() if not test.startswith(beginnings)}


def _run(place: Place, package: Package, kind: Kind, scratch: Path) -> Run:
    done = run(place, package, kind, scratch)
    _say(f"   {kind:<9} {done.seconds:5.0f} s   {tally(done.outcomes)}")
    return done


def _show(kind: str, found: list[Difference]) -> None:
    for each in found[:SHOWN]:
        _say(f"   {kind}: {each.test}: {each.plain} without, {each.other} with Transfuse")
    if len(found) > SHOWN:
        _say(f"   {kind}: and {len(found) - SHOWN} more")


def _table(rows: list[Row]) -> None:
    print(
        f"\n{'package':<13}{'tests':>6}{'differ':>8}{'updating':>10}{'updates':>9}"
        f"{'modules run':>13}{'in memory':>15}{'MiB':>6}   without Transfuse"
    )
    for row in rows:
        told = row.meanwhile
        memory = f"{told['instances']} of {told['modules']}" if told else ""
        print(
            f"{row.name:<13}{row.tests:>6}{row.live:>8}{row.updating:>10}"
            f"{told.get('updates', 0):>9}{told.get('runs', 0):>13}"
            f"{memory:>15}{told.get('mebibytes', 0):>6}   {row.plain}"
        )
    print("in memory: instances left of so many live modules, when the suite has ended")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
