"""`python -m apps`: all applications of the table, or those that are named."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING

from apps.bars import failing, verdicts
from apps.known import KNOWN
from apps.place import Place, PlaceError, cache
from apps.process import ProcessError
from apps.report import document, lines, read, write
from apps.results import Result
from apps.site import Site, SiteError
from apps.table import APPS
from apps.trial import Limits, TrialError, run

if TYPE_CHECKING:
    from apps.description import App


def main() -> int:
    """Measure applications, show tables, and return 1 if answers differ or a process crashes."""
    options = _arguments()
    chosen = [each for each in APPS if not options.names or each.name in options.names]
    place = Place(options.folder)
    if options.pin:
        for app in chosen:
            print(place.pin(app))
        return 0
    begun = time.monotonic()
    results = [result for path in options.read for result in read(path)]
    if not options.read:
        limits = Limits(options.runs, options.edits, options.seconds)
        for app in chosen:
            results.append(_measure(app, place, limits))
            print("\n".join(lines(results[-1])), flush=True)
            if options.json:
                # Now, because the next one may take long.
                write(options.json, results)
    else:
        print("\n".join(line for result in results for line in lines(result)))
    if options.document:
        document(options.document, results)
    return _end(results, time.monotonic() - begun)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m apps", description=__doc__)
    parser.add_argument("names", nargs="*", help="applications of the table; default: all")
    parser.add_argument(
        "--folder", type=Path, default=cache(), help="the folder of files kept between runs"
    )
    parser.add_argument("--runs", type=int, default=5, help="starts of each kind")
    parser.add_argument("--edits", type=int, default=50, help="edits of a series for memory")
    parser.add_argument("--seconds", type=float, default=120, help="CPU of such a series")
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--document", type=Path, help="write the tables into this page")
    parser.add_argument(
        "--read", type=Path, nargs="+", default=[], help="measure nothing; show files of --json"
    )
    parser.add_argument("--pin", action="store_true", help="only write the constraints anew")
    options = parser.parse_args()
    if unknown := set(options.names) - {each.name for each in APPS}:
        parser.error(f"not in the table: {', '.join(sorted(unknown))}")
    return options


def _measure(app: App, place: Place, limits: Limits) -> Result:
    result = Result(
        name=app.name,
        framework=app.framework,
        version=app.release.version,
        date=time.strftime("%Y-%m-%d"),
        python=platform.python_version(),
        command=" ".join(("python -m apps", app.name, *_flags(limits))),
    )
    print(f"== {app.name} {app.release.version}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="transfuse-apps-") as scratch:
        try:
            run(Site(app, place, Path(scratch).resolve()), limits, result)
        except (PlaceError, SiteError, TrialError, ProcessError, TimeoutExpired) as error:
            result.trouble = str(error)
    return result


def _flags(limits: Limits) -> list[str]:
    return [f"--{key} {value:g}" for key, value in limits._asdict().items()]


def _end(results: list[Result], seconds: float) -> int:
    judged = [(result.name, each) for result in results for each in verdicts(result)]
    missed = [(name, each.bar) for name, each in judged if not each.met]
    print(f"\n{len(judged) - len(missed)} of {len(judged)} bars are met ({seconds:.0f} s)")
    for name, each in judged:
        if each.met and (name, each.bar) in KNOWN:
            print(f"met by now, take it out of KNOWN: {name}, {each.bar}")
    new = [f"{name}, {bar}" for name, bar in missed if (name, bar) not in KNOWN]
    if new:
        print(f"not met, and not in KNOWN: {'; '.join(new)}")
    wrong = [result.name for result in results if failing(result.name, verdicts(result))]
    print(f"WRONG: {', '.join(wrong)}" if wrong else "no wrong answer and no crash that is new")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
