"""A process with one application, plain or live, that does what the runner asks for.

The first line of standard input describes the application, each further one is a command; each gets
one line of JSON in return. What the application prints goes to standard error.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from .caller import Asgi, Wsgi
from .costs import trace
from .gauges import cpu, resident
from .hits import taken
from .latency import measure

Told = dict[str, Any]


class Served:
    """The application of this process.

    Args:
        asked: ``{"root": ..., "leaf": "shop/page.py", "target": "entry:application",
            "interface": "wsgi", "live": True, "traced": False, "requests": [...]}``.
    """

    def __init__(self, asked: Told) -> None:
        self._asked = asked
        self._costs = trace(asked["root"]) if asked["traced"] else {}

    def start(self) -> Told:
        """Import the application, and say what that has cost."""
        begun = cpu()
        application = self._live() if self._asked["live"] else self._plain()
        imported = cpu() - begun
        self._caller = (Wsgi if self._asked["interface"] == "wsgi" else Asgi)(application)
        return {"cpu": imported}

    def ask(self) -> Told:
        """Answer all requests, and report the CPU time of the process so far."""
        answers = [self._caller.ask(request) for request in self._asked["requests"]]
        return {"answers": answers, "cpu": cpu(), "resident": resident(), "costs": self._costs}

    def update(self) -> Told:
        """Update to the files, and say what came of it."""
        transfuse = importlib.import_module("transfuse")
        before, begun = cpu(), time.monotonic()
        report = transfuse.update()
        spent, seconds = cpu() - before, time.monotonic() - begun
        return {**report.to_json(), "cpu": spent, "seconds": seconds}

    def latency(self) -> Told:
        """Edit the leaf again and again, and say how long requests take meanwhile."""
        transfuse = importlib.import_module("transfuse")
        leaf = Path(self._asked["root"], self._asked["leaf"])
        text, numbers = leaf.read_text(encoding="utf-8"), itertools.count()

        def update() -> None:
            leaf.write_text(f"{text}\n_EDITED = {next(numbers)}\n", encoding="utf-8")
            transfuse.update()
            # What the application fills at its first request, it fills after a restart, too.
            ask()

        def ask() -> float:
            return self._caller.cpu_of(self._asked["requests"][0])

        return measure(ask, update)

    def status(self) -> Told:
        """Ask Transfuse for its status, and say how long that took."""
        transfuse = importlib.import_module("transfuse")
        taken: list[float] = []
        # On a loaded machine a fast call may have to wait; a slow one is not tried again.
        while len(taken) < 3 and sum(taken) < 1.0:
            begun = time.monotonic()
            status = transfuse.status()
            taken.append(time.monotonic() - begun)
        seconds = min(taken)
        told = {"modules": status.modules, "generation": status.generation}
        return {**told, "seconds": seconds, "resident": resident()}

    def modules(self) -> Told:
        """Return the application's loaded modules: file, below the root, -> name."""
        root, modules = self._asked["root"], list(sys.modules.items())
        loaded = [(name, vars(each)) for name, each in modules if isinstance(each, ModuleType)]
        files = {str(values.get("__file__")): name for name, values in loaded}
        below = [path for path in files if path.startswith(f"{root}/") and path.endswith(".py")]
        return {"files": {os.path.relpath(path, root): files[path] for path in below}}

    def hits(self) -> Told:
        """Return which functions have run since the last call, if they say so."""
        return {"hits": taken()}

    def _plain(self) -> Any:
        sys.path.insert(0, self._asked["root"])
        module, _, attribute = self._asked["target"].partition(":")
        return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))

    def _live(self) -> Any:
        transfuse = importlib.import_module("transfuse")
        transfuse.install(roots=[self._asked["root"]], watch=False)
        return getattr(transfuse, self._asked["interface"])(self._asked["target"])


def main() -> None:
    """Handle commands until the input ends."""
    commands, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    served = Served(json.loads(commands.readline()))
    for line in commands:
        answers.write(json.dumps(getattr(served, json.loads(line))()) + "\n")
        answers.flush()
    # Applications leave threads behind that would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
