"""How is one suite run, and what came of each test?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from packages.place import Place
    from packages.table import Package

Kind = Literal["plain", "live", "updating"]

# How long one run may take, in seconds.
CAP = 420.0
# Seconds from the end of one update to the next one.
EVERY = 0.1

_OWN = Path(__file__).resolve().parent


class SuiteError(Exception):
    """A run that did not come to its end."""


class Run(NamedTuple):
    """The result of one run.

    Attributes:
        outcomes: node id -> ``"passed"``, ``"failed"``, ``"skipped"``, ...
        modules: how many modules were live at its end.
        covered: file -> lines that were not executed, where coverage was asked for.
        meanwhile: what went on beside it, of an updating run.
        seconds: how long it took.
    """

    outcomes: dict[str, str]
    modules: int
    covered: dict[str, list[int]]
    meanwhile: dict[str, Any]
    seconds: float


def run(place: Place, package: Package, kind: Kind, scratch: Path) -> Run:
    """Run a package's tests in a copy of its distribution.

    Raises:
        SuiteError: the run did not come to its end.
    """
    # The same path for each kind: some tests print it.
    copy = scratch / package.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place.source(package), copy)
    if package.own:
        shutil.copy(_OWN / "own" / package.own, copy)
    told = scratch / "told"
    shutil.rmtree(told, ignore_errors=True)
    told.mkdir()
    shutil.copy(_OWN / "outcomes.py", told / "transfuse_outcomes.py")
    command = [str(place.python(package)), *_command(package, kind, copy / package.root, told)]
    begun = time.monotonic()
    log = place.folder / "logs" / f"{package.name}-{kind}.txt"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as out:
        try:
            subprocess.run(
                command,
                cwd=copy,
                env=_environment(copy, copy / package.root, told),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=CAP,
                check=False,
            )
        except subprocess.TimeoutExpired:
            out.write(f"\nended after {CAP:.0f} s\n")
    seconds = time.monotonic() - begun
    outcomes = _read(told / "outcomes.json")
    if not outcomes:
        end = log.read_text(errors="replace")[-2000:]
        raise SuiteError(f"{package.name}, {kind}: did not come to its end; {log} says\n{end}")
    files = _read(told / "coverage.json").get("files", {})
    return Run(
        outcomes["outcomes"],
        outcomes["modules"],
        {name: each["missing_lines"] for name, each in files.items()},
        _read(told / "meanwhile.json"),
        seconds,
    )


def _command(package: Package, kind: Kind, root: Path, told: Path) -> list[str]:
    module = package.module or package.name
    pytest = ["-p", "transfuse_outcomes", "-p", "no:cacheprovider", "-q", *package.tests]
    without = package.deselected + (package.alone if kind == "updating" else ())
    for test, _ in without:
        pytest += ["--deselect", test]
    if kind == "updating":
        return [str(_OWN / "updating.py"), str(root), module, str(EVERY), *pytest]
    if package.covered:
        pytest += [f"--cov={module}", f"--cov-report=json:{told / 'coverage.json'}"]
    if kind == "live":
        return ["-m", "transfuse", "run", "--root", str(root), "-m", "pytest", *pytest]
    return ["-m", "pytest", *pytest]


def _environment(copy: Path, root: Path, told: Path) -> dict[str, str]:
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "PYTEST", "TRANSFUSE"))
    }
    # The order of sets shows in the names of some tests.
    environment["PYTHONHASHSEED"] = "0"
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (root, copy, told)))
    environment["OUTCOMES"] = str(told / "outcomes.json")
    environment["MEANWHILE"] = str(told / "meanwhile.json")
    return environment


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
