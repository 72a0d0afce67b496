"""Run code in a fresh interpreter, with Transfuse or without."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CAP = 60.0

# Prints at exit which sources below the working directory were compiled, once per compilation.
COUNTING = """
    import atexit, os, sys
    compiled = []
    def hear(event, args, here=os.getcwd() + os.sep):
        if event == "compile" and isinstance(args[1], str) and args[1].startswith(here):
            compiled.append(args[1][len(here):])
    sys.addaudithook(hear)
    atexit.register(lambda: print("compiled:", *sorted(compiled)))
"""

# Makes the working directory live.
LIVE = """
    import os, transfuse
    transfuse.install(roots=[os.getcwd()], watch=False)
"""


def python(root: Path, *pieces: str, flags: tuple[str, ...] = (), cap: float = CAP) -> list[str]:
    """Run pieces of code in a fresh interpreter, in the folder `root`; the lines it prints."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", "\n".join(textwrap.dedent(piece) for piece in pieces)],
        cwd=root.resolve(),
        env=environ,
        capture_output=True,
        text=True,
        timeout=cap,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
