"""A child that is forked in the middle of anything is whole, whatever its parent's threads had.

What threads of the program are in the middle of is told of here; of our own threads, which have
no GIL, `crates/engine/tests/fork_gate.rs` says that a fork waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from pathlib import Path

# Fork; the child calls `story()` and must exit with 0 in time.
_FORKED = """
    import os, signal, sys, threading, time, traceback
    from pathlib import Path
    root = Path(os.getcwd())
    def write(name, text):
        (root / name).write_text(text)
    def forked(story, cap=20):
        child = os.fork()
        if child == 0:
            # Ends a child that hangs, whatever it hangs in.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(cap)
            try:
                story()
            except BaseException:
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
                os._exit(1)
            sys.stdout.flush()
            os._exit(0)
        return child
    def ended(child):
        _, status = os.waitpid(child, 0)
        assert status == 0, status
"""

_ONCE = """
    at, go = threading.Event(), threading.Event()
    def slow():
        at.set()
        go.wait(20)
        return "the parent's"
    made = []
    maker = threading.Thread(target=lambda: made.append(transfuse.once("model", slow)))
    maker.start()
    assert at.wait(20)
    def story():
        print(transfuse.once("model", lambda: "the child's"), flush=True)
    ended(forked(story))
    go.set()
    maker.join()
    print(*made)
"""


def test_what_another_thread_was_making_is_made_by_the_child(tmp_path: Path) -> None:
    assert python(tmp_path, LIVE, _FORKED, _ONCE) == ["the child's", "the parent's"]


_LOAD = """
    import builtins
    builtins.at, builtins.go = threading.Event(), threading.Event()
    write("slow.py", "import os\\nif not go.is_set(): at.set(); go.wait(20)\\nPID = os.getpid()\\n")
    def load():
        import slow
    # One thread loads, others wait for it: the child has none of them.
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert at.wait(20)
    def story():
        go.set()
        import slow
        assert slow.PID == os.getpid()
        write("slow.py", "PID = 0\\n")
        assert transfuse.update().outcome == "published"
        assert slow.PID == 0
    ended(forked(story))
    go.set()
    for thread in threads:
        thread.join()
    print("both")
"""


def test_what_another_thread_was_loading_is_loaded_by_the_child(tmp_path: Path) -> None:
    assert python(tmp_path, LIVE, _FORKED, _LOAD) == ["both"]


_IMPORT = """
    at, go = threading.Event(), threading.Event()
    class Finder:
        def find_spec(self, name, *_):
            if name == HELD:
                at.set()
                go.wait(20)
    sys.meta_path.insert(0, Finder())
    assert HELD not in sys.modules
    def use():
        import IMPORTED as used
        assert hasattr(used, DEFINED), used
    importing = threading.Thread(target=use)
    importing.start()
    assert at.wait(20)
    def story():
        go.set()
        use()
        write("m.py", "V = 2\\n")
        assert transfuse.update().outcome == "published"
        assert m.V == 2
        write("m.py", "V = 1\\n")
    write("m.py", "V = 1\\n")
    import m
    ended(forked(story))
    go.set()
    importing.join()
    use()
    print("both")
"""


@pytest.mark.parametrize(
    ("imported", "held", "defined"),
    [
        ("transfuse.registrations.exchange", "transfuse.registrations.exchange", "published"),
        ("transfuse.registrations.exchange", "transfuse.registrations.holders", "published"),
        ("sqlite3", "sqlite3.dbapi2", "connect"),
    ],
    ids=["ours", "half of ours", "half of the standard library"],
)
def test_what_another_thread_was_importing_is_imported_by_the_child(
    tmp_path: Path, imported: str, held: str, defined: str
) -> None:
    story = _IMPORT.replace("HELD", repr(held)).replace("IMPORTED", imported)
    story = story.replace("DEFINED", repr(defined))
    assert python(tmp_path, LIVE, _FORKED, story) == ["both"]


_PUBLISHING = """
    import types
    from transfuse.source import old_source
    at, go = threading.Event(), threading.Event()
    def held():
        at.set()
        go.wait(20)
    class Foreign(types.ModuleType):
        def __setattr__(self, name, value):
            if HOLDS == "foreign" and value == 2 and sys._getframe(1).f_code.co_name != "<module>":
                held()
            super().__setattr__(name, value)
    sys.modules["foreign"] = Foreign("foreign")
    remember = old_source.remember
    def slowly(*args):
        if HOLDS == "source":
            held()
        return remember(*args)
    old_source.remember = slowly
    write("m.py", "__reload__ = 'patch'\\nV = 1\\ndef f(): return 1\\n")
    write("w.py", "import foreign\\nimport m\\nforeign.by_us = 1\\nW = 1\\n")
    import w
    def f():
        import m
        return m.f()
    write("m.py", "__reload__ = 'patch'\\nV = 2\\ndef f(): return 2\\n")
    write("w.py", "import foreign\\nimport m\\nforeign.by_us = 2\\nW = 2\\n")
    updating = threading.Thread(target=transfuse.update)
    updating.start()
    assert at.wait(20)
    def story():
        go.set()
        # Of one generation or the other, and whole.
        with transfuse.pin():
            assert w.W == f() == transfuse.status().generation
        write("w.py", "import m\\nW = 3\\n")
        assert transfuse.update().outcome == "published"
        with transfuse.pin():
            assert (w.W, f()) == (3, 2)
        write("w.py", "import foreign\\nimport m\\nforeign.by_us = 2\\nW = 2\\n")
    ended(forked(story))
    go.set()
    updating.join()
    transfuse.update()
    assert w.W == f() == 2
    print("both")
"""


# What runs code of the program while an update is published: setting an attribute of a foreign
# module, and noting what tracebacks of old code show.
@pytest.mark.parametrize("holds", ["foreign", "source"])
def test_a_fork_in_the_middle_of_publishing(tmp_path: Path, holds: str) -> None:
    told = python(tmp_path, LIVE, _FORKED, f"HOLDS = {holds!r}", _PUBLISHING)
    assert told == ["both"]


_UNITS = """
    write("m.py", "V = 1\\ndef __dispose__(): print('disposed', flush=True)\\n")
    import m
    at, go = threading.Event(), threading.Event()
    def unit():
        with transfuse.pin("GET /slow"):
            at.set()
            go.wait(20)
    working = threading.Thread(target=unit)
    working.start()
    assert at.wait(20)
    def story():
        write("m.py", "V = 2\\n")
        assert transfuse.update().outcome == "published"
        with transfuse.pin() as mine:
            assert mine.generation == 2
        status = transfuse.status()
        assert not status.draining and not status.units, status
    # That of the thread that forks goes on in the child, and ends there once.
    with transfuse.pin("GET /fork") as own:
        ended(forked(story_of_own := lambda: (story_inside(own))))
    ended(forked(story))
    go.set()
    working.join()
    assert transfuse.status().generation == 1
    print("parent")
"""

_INSIDE = """
    def story_inside(own):
        write("m.py", "V = 2\\ndef __dispose__(): print('again', flush=True)\\n")
        asking = threading.Thread(target=transfuse.update)
        asking.start()
        asking.join()
        status = transfuse.status()
        assert [unit.what for unit in status.units] == ["GET /fork"], status
        assert status.draining == ((1, 1),), status
        own.end()
        assert not transfuse.status().draining
        write("m.py", "V = 1\\ndef __dispose__(): print('disposed', flush=True)\\n")
        os._exit(0)
"""


def test_units_of_work_of_other_threads_are_over_in_the_child(tmp_path: Path) -> None:
    lines = python(tmp_path, LIVE, _FORKED, _INSIDE, _UNITS)
    assert lines.count("disposed") >= 1
    assert lines[-1] == "parent"


_NOISE = """
    for folder in range(10):
        (root / f"p{folder}").mkdir()
        for file in range(20):
            write(f"p{folder}/f{file}.py", "")
    transfuse.install(roots=[root], watch=True, poll=POLL)
    import p1.f1
    stop = threading.Event()
    def noise():
        number = 0
        while not stop.is_set():
            number += 1
            for file in range(20):
                write(f"p0/f{file}.py", f"N = {number}\\n")
    writing = threading.Thread(target=noise)
    writing.start()
    def story():
        import p1.f2
        with transfuse.pin():
            pass
        transfuse.status()
    for _ in range(40):
        ended(forked(story))
    stop.set()
    writing.join()
    print("all")
"""


@pytest.mark.parametrize("poll", ["None", "0.01"])
def test_forks_while_files_are_watched_and_compared(tmp_path: Path, poll: str) -> None:
    story = _NOISE.replace("POLL", poll)
    assert python(tmp_path, "import transfuse", _FORKED, story) == ["all"]


_STAGED_IN_PLACE = """
    write("m.py", "__reload__ = 'patch'\\ndef f(): return 1\\n")
    write("w.py", "import m\\n")
    import m, w
    import builtins
    builtins.at, builtins.go = threading.Event(), threading.Event()
    # `m` has taken its new code when `w`, which has to run, is about to.
    write("m.py", "__reload__ = 'patch'\\ndef f(): return 2\\nclass New: pass\\n")
    write("w.py", "import m\\nat.set()\\ngo.wait(20)\\n")
    updating = threading.Thread(target=transfuse.update)
    updating.start()
    assert at.wait(20)
    def story():
        assert m.f() == 1, m.f()
        go.set()
        assert transfuse.update().outcome == "published"
        assert m.f() == 2
    ended(forked(story))
    go.set()
    updating.join()
    assert m.f() == 2
    print("both")
"""


def test_what_was_staged_in_place_is_taken_back_in_the_child(tmp_path: Path) -> None:
    assert python(tmp_path, LIVE, _FORKED, _STAGED_IN_PLACE) == ["both"]
