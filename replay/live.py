"""What does the process do that is updated from release to release?

`python -m replay.live`: it puts each release into its one root, updates, looks, and writes down
what it saw. A step that is told to need a restart is its last.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import transfuse
from replay.look import look
from replay.shelf import flip, lay


def main() -> None:
    """Go through releases; arguments come on standard input as JSON, steps go to the output."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        steps = _travel(asked)
    json.dump(steps, sys.stdout)


def _travel(asked: dict[str, Any]) -> list[dict[str, Any]]:
    root, probe = Path(asked["root"]), Path(asked["probe"])
    first, *others = map(Path, asked["releases"])
    deploy = flip if asked["way"] == "link" else lay
    deploy(first, probe, root)
    # Each release is one update, asked for when it lies there whole.
    transfuse.install(roots=[root], policy=asked["policy"], watch=False)
    steps = [{"report": None, "seen": look(asked["modules"], probe.stem)}]
    for release in others:
        deploy(release, probe, root)
        report = transfuse.update().to_json()
        steps.append({"report": report, "seen": look(asked["modules"], probe.stem)})
        if report["restart"]:
            break
    return steps


if __name__ == "__main__":
    main()
