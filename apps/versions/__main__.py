"""`python -m apps.versions`: random edits of one application, and which functions stay stale."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from apps.place import Place, PlaceError, cache
from apps.process import ProcessError
from apps.site import Site, SiteError
from apps.table import APPS
from apps.trial import TrialError
from apps.versions.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.versions.walk import Step

# Stale functions of one edit that are shown.
_SHOWN = 6


def main() -> int:
    """Edit an application at random; return 1 if a function stays stale and no report names it."""
    parser = argparse.ArgumentParser(prog="python -m apps.versions", description=main.__doc__)
    parser.add_argument("name", choices=[each.name for each in APPS], help="of the table")
    parser.add_argument("--edits", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=cache(), help="files kept between runs")
    given = parser.parse_args()
    app = next(each for each in APPS if each.name == given.name)
    steps: list[Step] = []
    trouble = ""
    with tempfile.TemporaryDirectory(prefix="transfuse-apps-") as scratch:
        try:
            site = Site(app, Place(given.folder), Path(scratch).resolve())
            for step in walk(site, given.edits, given.seed):
                steps.append(step)
                print("\n".join(lines(len(steps), step)), flush=True)
        except (PlaceError, SiteError, TrialError, ProcessError, TimeoutExpired) as error:
            trouble = f"; ended by {error}"
    print(f"{app.name} {app.release.version}, seed {given.seed}: {closing(steps)}{trouble}")
    return int(bool(trouble) or any(step.wrong for step in steps))


def lines(number: int, step: Step) -> Iterator[str]:
    """Say what one edit has come to."""
    edited = ", ".join(step.modules)
    yield f"{number}: {edited}: {step.outcome}, {step.ran} run, {step.cpu:.2f} s of CPU"
    if step.reported:
        yield f"   reported: {len(step.reported)} stale functions, such as {step.reported[0]}"
    for each in step.stale[:_SHOWN]:
        yield f"   NOT REPORTED: {each}"
    if len(step.stale) > _SHOWN:
        yield f"   NOT REPORTED: {len(step.stale) - _SHOWN} more"
    excuse = ", and a restart was asked for" if step.restart else ""
    yield from (f"   differs from a fresh process{excuse}: {each}" for each in step.differing)


def closing(steps: list[Step]) -> str:
    """Say what all of them have come to."""
    published = sum(step.outcome == "published" for step in steps)
    wrong = sum(step.wrong for step in steps)
    told = f"{len(steps)} edits, {published} published"
    return f"{told}: WRONG after {wrong}" if wrong else f"{told}: nothing is silently stale"


if __name__ == "__main__":
    sys.exit(main())
