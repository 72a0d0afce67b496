"""The answers of a fresh process.

A process without Transfuse that has imported nothing of the world forks a child for each question:
the child imports and tells, and is gone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from model.world import MODULES

_ASKED = """
import json, os, sys
sys.path[:0] = [sys.argv[1]]
sys.dont_write_bytecode = True
from model.look import look
for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        root, modules = json.loads(line)
        sys.path[:0] = [root]
        sys.path_importer_cache.clear()
        with os.fdopen(writing, "w") as out:
            json.dump(look(modules), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        print(answer.read(), flush=True)
    os.waitpid(child, 0)
"""


class Fresh:
    """A pool of one, which is quick enough: a few milliseconds for each question."""

    def __init__(self) -> None:
        tests = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ASKED, str(tests)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def look(self, root: Path, modules: tuple[str, ...] = MODULES) -> dict[str, Any]:
        """Return what a fresh process sees of `modules` with `root` first on its path."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([str(root), modules]) + "\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, "the fresh process has ended"
        seen: dict[str, Any] = json.loads(answer)
        return seen

    def close(self) -> None:
        """End the process, and wait for that."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait(10)
