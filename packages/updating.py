"""A test suite, pinned to its first generation, while every file of the root is updated in turn.

    python updating.py ROOT MODULE EVERY [ARGUMENT OF PYTEST]...

EVERY seconds after an update the next one is begun, for as long as the suite runs, each of one
file, whose content differs by a comment at its end. That file's module and MODULE are imported
beforehand, so that the current generation, with which no test has anything to do, is one that is in
use. Ends as pytest ends, and writes what went on meanwhile, and what was left of it in memory, to
the file that MEANWHILE names.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

import transfuse


class Meanwhile:
    """Updates that another thread makes, one file after the other, until it is told to stop."""

    def __init__(self, root: Path, module: str, every: float) -> None:
        # Written by the thread; read when it has ended.
        self.updates = self.runs = self.rounds = 0
        self.refusals: list[str] = []
        self._root = root
        self._module = module
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="updates")
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            for path in sorted(self._root.rglob("*.py")):
                if self._stop.wait(self._every):
                    return
                self._touch(path)
            self.rounds += 1

    def _touch(self, path: Path) -> None:
        place = path.relative_to(self._root)
        for name in (self._module, _name(place)):
            # Modules that the tests have not imported are not to be loaded here.
            if name in sys.modules:
                try:
                    transfuse.import_module(name)
                except Exception as error:
                    self.refusals.append(f"import of {name}: {error!r}")
        # Appended, not rewritten: a process that reads the file meanwhile finds a whole one.
        with path.open("ab") as file:
            file.write(f"\n# {self.rounds}\n".encode())
        report = transfuse.update()
        self.updates += 1
        self.runs += len(report.ran)
        if not report.ok:
            last = report.traceback.strip().splitlines()[-1:] or ["no traceback"]
            self.refusals.append(f"{place}: {last[0]}")

    def stop(self) -> None:
        """Make no further update, and return when the last one has ended."""
        self._stop.set()
        self._thread.join()


def _name(place: Path) -> str:
    parts = place.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def left_over(root: Path) -> dict[str, Any]:
    """Tell what is in memory of the modules below `root`, once all that can go has gone."""
    _forget_tests()
    # As CPython's own hunt for leaks does: typing keeps what generic classes were asked last.
    for clear in getattr(typing, "_cleanups", ()):
        clear()
    for _ in range(3):
        gc.collect()
    status = transfuse.status()
    names = [
        each.__name__
        for each in gc.get_objects()
        if type(each) is ModuleType and _below(root, getattr(each, "__file__", None))
    ]
    return {
        "generations": 1 + len(status.kept) + len(status.draining),
        "modules": status.modules,
        # Of one name: of the current generation, the one that is kept, and one that is held.
        "instances": len(names),
        "most": max((names.count(name) for name in set(names)), default=0),
        "mebibytes": _resident(),
    }


def _forget_tests() -> None:
    """Let go of the modules of the tests, which hold classes of the first generation."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if _below(Path.cwd(), file) and type(module) is ModuleType and name != "__main__":
            vars(module).clear()
            del sys.modules[name]


def _below(root: Path, file: object) -> bool:
    return isinstance(file, str) and file.startswith(f"{root}{os.sep}")


def _resident() -> int:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def main() -> int:
    """Run the suite and what goes on beside it."""
    root, module, every, arguments = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    # As `python -m pytest` would have it.
    sys.path[0] = os.getcwd()
    sys.argv[1:] = arguments
    transfuse.install(roots=[root], watch=False, policy="fresh", keep=1)
    with transfuse.pin():
        import pytest  # noqa: PLC0415 - in the pinned unit of work, as everything it imports

        meanwhile = Meanwhile(root, module, float(every))
        try:
            ended = int(pytest.main(arguments))
        finally:
            meanwhile.stop()
    told = {
        "updates": meanwhile.updates,
        "runs": meanwhile.runs,
        "rounds": meanwhile.rounds,
        "refused": len(meanwhile.refusals),
        "refusals": meanwhile.refusals[:5],
        **left_over(root),
    }
    with open(os.environ["MEANWHILE"], "w", encoding="utf-8") as file:
        json.dump(told, file)
    return ended


if __name__ == "__main__":
    sys.exit(main())
