"""Processes that fork, end, are signalled and are frozen while Transfuse is in them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.interpreter import python

if TYPE_CHECKING:
    from pathlib import Path

# Imported before the fork, as `gunicorn --preload` does; afterwards both are asked.
_FORK = """
    import os, select, sys, threading, time, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\n")
    transfuse.install(roots=[root], watch=WATCH)
    import shop
    def until(what):
        end = time.monotonic() + 20
        while not what():
            assert time.monotonic() < end, (shop.N, transfuse.status())
            time.sleep(0.01)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            names = [thread.name for thread in threading.enumerate()]
            assert names.count("transfuse-update") <= 1, names
            os.write(theirs, b"r")
            if WATCH:
                until(lambda: shop.N == 2)
            else:
                until(lambda: (root / "go").exists())
                assert transfuse.update().outcome == "published" and shop.N == 2
            assert transfuse.status().generation == 2
            os._exit(0)
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
    assert os.read(ours, 1) == b"r"
    (root / "shop.py").write_text("N = 2\\n")
    (root / "go").write_text("")
    if WATCH:
        until(lambda: shop.N == 2)
    else:
        assert shop.N == 1
    _, ended = os.waitpid(child, 0)
    assert ended == 0, ended
    assert transfuse.status().generation == (2 if WATCH else 1)
    transfuse.update()
    assert shop.N == 2
    print("both")
"""


@pytest.mark.parametrize("watch", [True, False])
def test_a_forked_child_and_its_parent_update_by_themselves(tmp_path: Path, watch: bool) -> None:
    assert python(tmp_path, _FORK.replace("WATCH", str(watch))) == ["both"]


_OWN_WATCHER = """
    import os, sys, threading, time, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    for name in ("parent", "child"):
        (root / name).mkdir()
        (root / name / "shop.py").write_text("N = 1\\n")
    transfuse.install(roots=[root / "parent", root / "child"], watch=True)
    def until(what, why):
        end = time.monotonic() + 20
        while not what():
            assert time.monotonic() < end, (why, transfuse.status())
            time.sleep(0.01)
    def watchers():
        found = {}
        for number in os.listdir("/proc/self/fd"):
            try:
                link = os.readlink("/proc/self/fd/" + number)
            except OSError:
                continue
            if "inotify" in link:
                found[int(number)] = os.stat(int(number)).st_ino, fdinfo(number)
        return found
    def fdinfo(number):
        with open("/proc/self/fdinfo/" + number) as file:
            return sum(line.startswith("inotify wd") for line in file)
    from transfuse import import_module
    shop = import_module(str(root / "child" / "shop.py")); theirs = str(root / "parent" / "shop.py")
    before = watchers()
    assert before and all(count for _, count in before.values()), before
    told, tell = os.pipe()
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            # An edit that only the child waits for: it is seen by a watcher of its own.
            until(lambda: watchers() and any(fd not in before for fd in watchers()), "no watcher")
            (root / "child" / "shop.py").write_text("N = 2\\n")
            until(lambda: import_module(str(root / "child" / "shop.py")).N == 2, "own edit")
            # The end of its watcher takes nothing from the parent.
            transfuse.uninstall()
            os.write(tell, b"1"); os.close(tell)
            assert os.read(hear, 1) == b"g"
            os._exit(0)
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
    assert os.read(told, 1) == b"1"
    assert watchers() == before, (before, watchers())
    until(lambda: import_module(str(root / "child" / "shop.py")).N == 2, "the child's edit")
    (root / "parent" / "shop.py").write_text("N = 3\\n")
    (root / "child" / "shop.py").write_text("N = 4\\n")
    until(lambda: import_module(str(root / "child" / "shop.py")).N == 4, "after the child's end")
    os.write(say, b"g")
    _, ended = os.waitpid(child, 0)
    assert ended == 0, ended
    print("own")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for descriptors")
def test_a_forked_child_has_a_watcher_of_its_own(tmp_path: Path) -> None:
    """It sees what it waits for, and ends its watcher; the parent's has all that it had."""
    assert python(tmp_path, _OWN_WATCHER) == ["own"]


_FORK_WHILE_STAGING = """
    import os, sys, threading, time, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\n")
    transfuse.install(roots=[root], watch=False)
    import shop
    import builtins
    builtins.at, builtins.go = threading.Event(), threading.Event()
    (root / "shop.py").write_text("at.set()\\ngo.wait(20)\\nN = 2\\n")
    updating = threading.Thread(target=transfuse.update)
    updating.start()
    assert at.wait(20)
    child = os.fork()
    if child == 0:
        # The thread that staged is not here; what it had begun is of no account.
        try:
            assert shop.N == 1
            builtins.go.set()
            (root / "other.py").write_text("N = 7\\n")
            report = transfuse.update()
            assert report.outcome == "published", report
            assert "shop" in [each.name for each in report.ran], report
            import other
            assert (other.N, shop.N, transfuse.status().generation) == (7, 2, 2)
            os._exit(0)
        except BaseException as error:
            import traceback; traceback.print_exc(file=sys.stdout); sys.stdout.flush()
            os._exit(1)
    end = time.monotonic() + 30
    while True:
        pid, ended = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        assert time.monotonic() < end, "the child hangs"
        time.sleep(0.01)
    assert ended == 0, ended
    go.set(); updating.join(20)
    assert shop.N == 2
    print("both")
"""


def test_a_fork_in_the_middle_of_an_update(tmp_path: Path) -> None:
    assert python(tmp_path, _FORK_WHILE_STAGING) == ["both"]


_ENDING = """
    import os, sys, threading, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\n")
    transfuse.install(roots=[root], watch=True)
    import shop
    import builtins
    builtins.at = threading.Event()
    (root / "shop.py").write_text("at.set()\\nBODY\\nN = 2\\n")
    threading.Thread(target=transfuse.update, daemon=True).start()
    assert at.wait(20)
    print("ending", flush=True)
    END
"""


@pytest.mark.parametrize("body", ["import time; time.sleep(0.3)", "sum(range(10**7))"])
@pytest.mark.parametrize("end", ["pass", "sys.exit(0)", "os._exit(0)", "transfuse.uninstall()"])
def test_the_process_ends_while_an_update_is_staged(tmp_path: Path, body: str, end: str) -> None:
    assert python(tmp_path, _ENDING.replace("BODY", body).replace("END", end)) == ["ending"]


_SIGNAL = """
    import os, signal, threading, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\n")
    transfuse.install(roots=[root], watch=False)
    import shop
    heard = []
    # What a handler imports is live, and asked for while a module is being run.
    def handle(number, frame):
        import helper
        heard.append(helper.NAME)
    signal.signal(signal.SIGUSR1, handle)
    (root / "helper.py").write_text("NAME = 'old'\\n")
    transfuse.update()
    os.kill(os.getpid(), signal.SIGUSR1)
    (root / "shop.py").write_text(
        "import os, signal, time\\nos.kill(os.getpid(), signal.SIGUSR1)\\n"
        "time.sleep(0.05)\\nN = 2\\n"
    )
    (root / "helper.py").write_text("NAME = 'new'\\n")
    assert transfuse.update().outcome == "published"
    os.kill(os.getpid(), signal.SIGUSR1)
    assert heard[0] == "old" and heard[-1] == "new" and len(heard) == 3, heard
    print("heard")
"""


def test_signals_during_an_update(tmp_path: Path) -> None:
    assert python(tmp_path, _SIGNAL) == ["heard"]


_FROZEN = """
    import gc, os, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 0\\nclass Row: pass\\n")
    transfuse.install(roots=[root], watch=False, keep=0)
    import shop
    gc.freeze()
    def rows():
        gc.collect()
        return sum(isinstance(each, type) and each.__name__ == "Row" for each in gc.get_objects())
    for number in range(1, 30):
        (root / "shop.py").write_text(f"N = {number}\\nclass Row: pass\\n")
        assert transfuse.update().ok and shop.N == number
    # What was frozen stays, which is what freezing means; nothing else does.
    assert rows() == 1, rows()
    gc.unfreeze()
    assert rows() == 1, rows()
    print("thawed")
"""


def test_a_frozen_heap(tmp_path: Path) -> None:
    assert python(tmp_path, _FROZEN) == ["thawed"]


_TWO = """
    import os, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "a").mkdir(); (root / "b").mkdir()
    transfuse.install(roots=[root / "a"], watch=False)
    transfuse.install(roots=[root / "a"], watch=False)
    try:
        transfuse.install(roots=[root / "b"], watch=False)
    except transfuse.TransfuseError as error:
        words = str(error)
    assert "installed already" in words and "/a" in words and "/b" in words and "uninstall" in words
    assert transfuse.status().roots == (str(root / "a"),)
    transfuse.uninstall()
    transfuse.install(roots=[root / "b"], watch=False)
    assert transfuse.status().roots == (str(root / "b"),)
    print("one at a time")
"""


def test_two_engines_are_refused(tmp_path: Path) -> None:
    assert python(tmp_path, _TWO) == ["one at a time"]


_LEAVING = """
    import builtins, gc, importlib, os, sys, threading, traceback, transfuse, linecache, inspect
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "shop.py").write_text("N = 1\\n")
    (root / "late.py").write_text("N = 1\\n")
    def seen():
        return (builtins.__import__, importlib.reload, importlib._bootstrap._gcd_import,
                list(sys.meta_path), list(sys.path), list(sys.path_hooks), sys.excepthook,
                sys.unraisablehook, threading.excepthook,
                traceback.TracebackException.__init__, linecache.getlines, inspect.getsource,
                [thread.name for thread in threading.enumerate()])
    transfuse.install(roots=[root], watch=True); transfuse.uninstall()
    before = seen()
    for _ in range(5):
        transfuse.install(roots=[root], watch=True)
        import shop
        transfuse.update()
        transfuse.uninstall()
        for thread in threading.enumerate():
            if thread.name == "transfuse-update":
                thread.join(20)
        assert seen() == before
    sys.path.insert(0, str(root))
    (root / "shop.py").write_text("N = 2\\n")
    import late
    assert (shop.N, late.N, type(late).__name__) == (1, 1, "module")
    # Python's own `reload` again: the module that is there runs the file as it is now, at once.
    again = importlib.reload(late)
    assert again is late and late.N == 1
    (root / "late.py").write_text("N = 22\\n")
    assert importlib.reload(late) is late and late.N == 22
    # So does what was live: it is the module that it was, and takes the file as it is now.
    assert importlib.reload(sys.modules["shop"]).N == 2 and shop.N == 2
    print("as it was")
"""


def test_uninstall_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    assert python(tmp_path, _LEAVING) == ["as it was"], sys.version
