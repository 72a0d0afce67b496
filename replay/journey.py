"""How does one package fare, under one policy, from its first release to its last?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from replay.carried import carried, without
from replay.shelf import lay, modules, release
from replay.verdict import differences, way

if TYPE_CHECKING:
    from replay.look import Seen
    from replay.table import History
    from replay.verdict import Way

PROJECT = Path(__file__).resolve().parent.parent
# How long one process may take, in seconds.
_CAP = 120.0


class JourneyError(Exception):
    """A process did not come to its end."""


class Step(NamedTuple):
    """The way from one release to the next.

    Attributes:
        before, after: the versions.
        way: how it went.
        ran: how many modules were run, of how many.
        told: what the report says beside that, in words.
        wrong: what differs from a fresh process.
    """

    before: str
    after: str
    way: Way
    ran: int
    modules: int
    told: tuple[str, ...]
    wrong: tuple[str, ...]


class Journey:
    """The releases of a package, and what a fresh process sees of each."""

    def __init__(self, history: History, shelf: Path, scratch: Path) -> None:
        self.history = history
        self._root = scratch / history.name / "root"
        self._probe = Path(__file__).parent / "probes" / f"{history.probe}.py"
        self._releases = [release(shelf, history.name, each) for each in history.releases]
        # All that any release has, so that what is gone is asked for, too.
        self._modules = sorted(
            set().union(*(modules(each, history.packages) for each in self._releases))
        )
        self._fresh = [self._look(each) for each in self._releases]
        for version, seen in zip(history.releases, self._fresh, strict=True):
            if isinstance(seen["probe"], str):
                raise JourneyError(f"the probe fails on {version}: {seen['probe']}")

    def travel(self, policy: str, deployed: str) -> list[Step]:
        """Go from the first release to the last, with a new process where one is asked for.

        Args:
            policy: ``"overlay"`` or ``"fresh"``.
            deployed: how a release replaces the one before: ``"files"`` or ``"link"``.
        """
        steps: list[Step] = []
        while (at := len(steps)) < len(self._releases) - 1:
            begun = self._ask(
                "replay.live",
                releases=[str(each) for each in self._releases[at:]],
                policy=policy,
                way=deployed,
                probe=str(self._probe),
            )
            first, *others = begun
            if found := differences(self._fresh[at], first["seen"]):
                raise JourneyError("differs before any update:\n" + "\n".join(found))
            before = first["seen"]
            for each in others:
                steps.append(self._step(len(steps), policy, before, each))
                before = each["seen"]
        return steps

    def _step(self, at: int, policy: str, before: Seen, each: dict[str, Any]) -> Step:
        report, seen, fresh = each["report"], each["seen"], self._fresh[at + 1]
        went = way(report)
        kept: dict[str, set[str]] = {}
        if policy == "overlay":
            old, new = self._releases[at : at + 2]
            kept = carried(old, new, before, seen, fresh)
        # A report that asks for a restart is right, whatever is seen meanwhile.
        wrong = [] if went == "restart" else differences(fresh, without(seen, kept))
        if went == "refused":
            wrong.insert(0, f"refused: {report['traceback']}")
        elif went == "unchanged":
            wrong.insert(0, "no change was seen")
        told = [f"needs a restart: {what}" for _, _, what in report["restart"]]
        told += [f"{name}: {what}" for name, what in report["notes"]]
        told += [f"carried: {name}.{each}" for name in kept for each in sorted(kept[name])]
        # The probe is one, too.
        count = len([name for name in self._modules if isinstance(seen[name], dict)]) + 1
        start, end = self.history.releases[at : at + 2]
        return Step(start, end, went, len(report["ran"]), count, tuple(told), tuple(wrong))

    def _look(self, source: Path) -> Seen:
        lay(source, self._probe, self._root)
        seen: Seen = self._ask("replay.look", probe=self._probe.stem)
        return seen

    def _ask(self, module: str, **asked: object) -> Any:
        if module == "replay.live":
            shutil.rmtree(self._root.parent)
            self._root.parent.mkdir()
        asked |= {"root": str(self._root), "modules": self._modules}
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_CAP,
            check=False,
        )
        if done.returncode:
            raise JourneyError(f"{module} failed:\n{done.stderr[-3000:]}")
        return json.loads(done.stdout)
