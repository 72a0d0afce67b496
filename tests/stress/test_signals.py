"""Ctrl-C ends the waiting of the main thread for what other threads are loading or making."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from pathlib import Path

_WAITING = """
    import builtins, os, signal, threading, time
    from pathlib import Path
    # A shell has what it runs in the background ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    builtins.at, builtins.go = threading.Event(), threading.Event()
    Path("slow.py").write_text("at.set()\\ngo.wait(60)\\nV = 1\\n")
    def slow():
        at.set()
        go.wait(60)
        return 1
    def make():
        return transfuse.once("model", slow)
    def load():
        import slow
        return slow.V
    other = threading.Thread(target=WHAT)
    other.start()
    assert at.wait(20)
    # Until it has come: the thread may not wait yet.
    over = threading.Event()
    def interrupt():
        while not over.wait(0.05):
            os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt).start()
    begun = time.monotonic()
    try:
        WHAT()
        print("it came")
    except KeyboardInterrupt:
        over.set()
        print("interrupted")
    # A last one may be on its way.
    while not over.is_set():
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert time.monotonic() < begun + 20
    go.set()
    other.join()
    # Nothing is left of the waiting: neither this thread nor another is in a circle.
    print(WHAT())
    Path("slow.py").write_text("V = 2\\n")
    print(transfuse.update().outcome)
"""


@pytest.mark.parametrize("what", ["load", "make"])
def test_ctrl_c_while_another_thread_is_at_work(tmp_path: Path, what: str) -> None:
    told = python(tmp_path, LIVE, _WAITING.replace("WHAT", what))
    assert told == ["interrupted", "1", "published"]


_CIRCLE = """
    import builtins, os, signal, threading
    from pathlib import Path
    signal.signal(signal.SIGINT, signal.default_int_handler)
    builtins.a_at, builtins.b_at, builtins.go = (threading.Event() for _ in range(3))
    Path("a.py").write_text("a_at.set()\\nb_at.wait(60)\\nimport b\\nV = 1\\n")
    Path("b.py").write_text("b_at.set()\\na_at.wait(60)\\nimport a\\ngo.wait(60)\\nV = 1\\n")
    def load_b():
        import b
    other = threading.Thread(target=load_b)
    over = threading.Event()
    def interrupt():
        b_at.wait(60)
        while not over.wait(0.05):
            os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt).start()
    other.start()
    assert b_at.wait(20)
    try:
        import a
        print("it came")
    except KeyboardInterrupt:
        over.set()
        print("interrupted")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    go.set()
    other.join()
    import a, b
    print(a.V, b.V, a.b is b)
    # Whole again: an update runs it as any other.
    Path("a.py").write_text("import b\\nV = 2\\n")
    print(transfuse.update().outcome, a.V)
    import a, b
    print(a.b is b, b.a is a)
"""


def test_ctrl_c_while_a_circle_is_loaded_by_two_threads(tmp_path: Path) -> None:
    told = python(tmp_path, LIVE, _CIRCLE, cap=90)
    assert told == ["interrupted", "1 1 True", "published 2", "True True"]
