"""What live code registers with `atexit` is called at the end, once, and keeps no former code."""

from __future__ import annotations

import atexit
import gc
import subprocess
import sys
import textwrap
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

WAYS = {
    "function": "def close():\n    print('close', N)\natexit.register(close)\n",
    "decorated": "@atexit.register\ndef close():\n    print('close', N)\n",
    "imported": "from atexit import register\n@register\ndef close():\n    print('close', N)\n",
    "arguments": "def end(*n, **m):\n    print(*n, m['b'])\natexit.register(end, 'close', b=N)\n",
    "method": (
        "class Pool:\n    def close(self):\n        print('close', N)\n"
        "pool = Pool()\natexit.register(pool.close)\n"
    ),
    "made by a function": (
        "class Pool:\n    def __init__(self):\n        atexit.register(self.close)\n"
        "    def close(self):\n        print('close', N)\nPool()\n"
    ),
}
# The program: three editions, the last one refused, then perhaps a rollback.
PROGRAM = """\
    import atexit, sys, transfuse
    atexit.register(print, "first")
    transfuse.install(roots=[{root!r}], watch=False)
    transfuse.import_module("plugin")
    source = {source!r}
    for number in (2, 3):
        open({root!r} + "/plugin.py", "w").write(source.replace("N = 1", f"N = {{number}}"))
        assert transfuse.update().outcome == "published"
    open({root!r} + "/plugin.py", "w").write(source.replace("N = 1", "N = 4") + "1 / 0\\n")
    assert transfuse.update().outcome == "refused"
    if {back}:
        transfuse.rollback()
    atexit.register(print, "last")
    """


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_p5_what_the_current_code_registered_runs_at_the_end(
    tmp_path: Path, way: str, back: bool
) -> None:
    root = str(tmp_path)
    source = f"import atexit\nN = 1\n{WAYS[way]}"
    (tmp_path / "plugin.py").write_text(source)
    program = textwrap.dedent(PROGRAM).format(root=root, source=source, back=back)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    wanted = ["last", f"close {2 if back else 3}", "first"]
    if back:
        # It is put back without its place.
        assert sorted(done.stdout.splitlines()) == sorted(wanted)
    else:
        assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("way", WAYS)
def test_p8_what_registered_does_not_stay_in_memory(tree: LiveTree, way: str) -> None:
    source = f"import atexit\nN = 1\n{WAYS[way]}"
    tree.write({"plugin.py": source})
    tree.install(keep=0)
    former: list[Any] = []
    for number in (2, 3, 4):
        former.append(weakref.ref(tree.module("plugin")))
        tree.published({"plugin.py": source.replace("N = 1", f"N = {number}")})
    gc.collect()
    assert [each() for each in former] == [None] * 3
    callbacks = vars(atexit)["_transfuse_callbacks"]
    assert len(callbacks) == 1
    callbacks.clear()


def test_p11_a_callback_can_be_unregistered(tree: LiveTree) -> None:
    tree.write({"plugin.py": f"import atexit\nN = 1\n{WAYS['function']}"})
    tree.install()
    close = tree.module("plugin").close
    atexit.unregister(close)
    assert vars(atexit)["_transfuse_callbacks"] == []
    register = atexit.register
    transfuse.uninstall()
    assert atexit.register is not register
    assert atexit.register.__name__ == "register"
