"""P13: a frame of old code shows the source it was compiled from."""

from __future__ import annotations

import inspect
import io
import linecache
import logging
import pdb
import re
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

OLD = """
def fail():
    raise ValueError("old")  # the old line


class Basket:
    def total(self):
        return 1  # the old total
"""
# All lines are elsewhere, so that the file's own would be wrong.
NEW = """
# one
# two
def fail():
    # three
    raise KeyError("new")  # the new line


class Basket:
    colour = "red"

    def total(self):
        return 2  # the new total
"""


@pytest.fixture
def both(tree: LiveTree) -> tuple[Any, Any]:
    """The old module and the new one, both in use."""
    tree.write({"shop.py": OLD})
    tree.install()
    old = tree.module("shop")
    tree.published({"shop.py": NEW})
    return old, tree.module("shop")


def _told(call: Any) -> str:
    try:
        call()
    except Exception:
        return traceback.format_exc()
    raise AssertionError("nothing was raised")


def test_p13_each_generation_shows_its_own_lines(both: tuple[Any, Any]) -> None:
    old, new = both
    assert 'raise ValueError("old")  # the old line' in _told(old.fail)
    assert 'raise KeyError("new")  # the new line' in _told(new.fail)
    # Once more, now that `linecache` has read the file.
    assert "# the old line" in _told(old.fail)


def test_p13_when_the_file_is_broken_or_gone(tree: LiveTree, both: tuple[Any, Any]) -> None:
    old, new = both
    assert tree.update({"shop.py": "def fail(:\n"}).outcome == "refused"
    assert "# the old line" in _told(old.fail)
    assert "# the new line" in _told(new.fail)
    tree.delete("shop.py")
    tree.published()
    assert "# the old line" in _told(old.fail)
    assert "# the new line" in _told(new.fail)


def test_p13_the_log_and_a_limited_traceback(both: tuple[Any, Any]) -> None:
    old, _ = both
    stream = io.StringIO()
    logger = logging.Logger("shop")
    logger.addHandler(logging.StreamHandler(stream))
    try:
        old.fail()
    except ValueError as error:
        logger.exception("failed")
        (last,) = traceback.extract_tb(error.__traceback__, limit=-1)
        (first,) = traceback.extract_tb(error.__traceback__, limit=1)
        late = traceback.TracebackException.from_exception(error, lookup_lines=False)
    assert "# the old line" in stream.getvalue()
    assert last.line == 'raise ValueError("old")  # the old line'
    assert first.line == "old.fail()"
    assert "# the old line" in "".join(late.format())


PROGRAM = """
import pathlib, sys, threading
import transfuse

root = pathlib.Path(sys.argv[1])
transfuse.install(roots=[root], watch=False)
old = transfuse.import_module("shop").fail
(root / "shop.py").write_text((root / "next").read_text())
assert transfuse.update().outcome == "published"
thread = threading.Thread(target=old, name="worker")
thread.start()
thread.join()
old()
"""


def test_p13_threads_and_programs_that_die_of_old_code(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(OLD)
    (tmp_path / "next").write_text(NEW)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=CAP, check=False)
    thread, main = ended.stderr.split("Traceback (most recent call last):")[1:]
    assert "Exception in thread worker" in ended.stderr
    for told in (thread, main):
        assert ("# the old line" in told, "ValueError: old" in told) == (True, True)
    assert "# the new line" not in ended.stderr


def test_p13_inspect_finds_the_source_of_what_it_is_given(both: tuple[Any, Any]) -> None:
    old, new = both
    for module, word in ((old, "old"), (new, "new")):
        assert f"# the {word} line" in inspect.getsource(module.fail)
        assert f"# the {word} total" in inspect.getsource(module.Basket)
        assert f"# the {word} total" in inspect.getsource(module.Basket().total)
        assert inspect.getsource(module) == {"old": OLD, "new": NEW}[word]
        assert inspect.getsourcefile(module.fail) == module.__file__
    assert "# the new total" in inspect.getsource(sys.modules["shop"])
    with pytest.raises(ValueError, match="old") as caught:
        old.fail()
    (*_, innermost) = inspect.getinnerframes(caught.tb)
    assert innermost.code_context == ['    raise ValueError("old")  # the old line\n']


PLAIN = """
class Cup:  # the {0} cup
    size = 1
    class Handle:  # the {0} handle
        warm = True
class Pot:  # the {0} pot
    size = property(lambda self: 1)
"""


def test_p13_a_class_without_methods_shows_its_own_source(tree: LiveTree) -> None:
    tree.write({"shop.py": PLAIN.format("old")})
    tree.install(keep=0)
    old = tree.module("shop")
    tree.published({"shop.py": "# one\n# two\n" + PLAIN.format("new")})
    for module, word in ((old, "old"), (tree.module("shop"), "new")):
        assert f"# the {word} cup" in inspect.getsource(module.Cup)
        assert inspect.getsource(module.Cup.Handle).startswith(f"    class Handle:  # the {word}")
        assert f"# the {word} pot" in inspect.getsource(module.Pot)


UNRAISABLE = """
import pathlib, sys
import transfuse

root = pathlib.Path(sys.argv[1])
transfuse.install(roots=[root], watch=False)
tea = transfuse.import_module("shop").Tea()
(root / "shop.py").write_text((root / "next").read_text())
assert transfuse.update().outcome == "published"
del tea
class Foreign:
    def __del__(self): raise OSError("not ours")
Foreign()
transfuse.uninstall()
assert sys.unraisablehook is sys.__unraisablehook__
"""


def test_p13_an_error_that_nobody_can_catch(tmp_path: Path) -> None:
    """What is raised in `__del__` of old code is printed, with the line that raised it."""
    source = "\nclass Tea:\n    def __del__(self): raise ValueError('cold')  # the {} line\n"
    (tmp_path / "shop.py").write_text(source.format("old"))
    (tmp_path / "next").write_text("# one\n" + source.format("new"))
    command = [sys.executable, "-c", UNRAISABLE, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=CAP, check=False)
    assert ended.returncode == 0, ended.stderr
    # From Python 3.14 on: "Exception ignored while calling deallocator <function Tea.__del__ at ".
    ours, foreign = re.split("^Exception ignored ", ended.stderr, flags=re.MULTILINE)[1:]
    assert "<function Tea.__del__ at " in ours.partition("\n")[0]
    assert ("# the old line" in ours, ours.endswith("ValueError: cold\n")) == (True, True)
    assert "# the new line" not in ours
    assert foreign.endswith("OSError: not ours\n")


def test_p13_the_debugger_lists_what_runs(both: tuple[Any, Any]) -> None:
    old, _ = both
    shown = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("list\nlonglist\nwhere\nquit\n"), stdout=shown)
    debugger.use_rawinput = False
    with pytest.raises(ValueError, match="old") as caught:
        old.fail()
    debugger.reset()
    debugger.interaction(None, caught.tb)
    assert shown.getvalue().count("# the old line") >= 3
    assert "# the new line" not in shown.getvalue()


def test_p13_code_that_was_patched_away(tree: LiveTree) -> None:
    tree.write({"shop.py": OLD + "\n\ndef wait():\n    yield 1\n    raise OSError  # old end\n"})
    tree.install(policy="patch")
    shop = tree.module("shop")
    waiting = shop.wait()
    next(waiting)
    after = NEW + "\n\n\n\n\n\ndef wait():\n    yield 2\n    raise OSError  # new end\n"
    tree.published({"shop.py": after})
    assert "raise OSError  # old end" in _told(lambda: next(waiting))
    assert "# the new line" in _told(shop.fail)


def test_p13_what_is_not_live_is_left_alone(tree: LiveTree, tmp_path: Any) -> None:
    tree.write({"shop.py": "def made(): exec(\"1/0\", {'__name__': 'x'})\n"})
    tree.install()
    told = _told(tree.module("shop").made)
    assert 'exec("1/0"' in told
    assert "ZeroDivisionError" in told
    other = tmp_path / "other.txt"
    other.write_text("a line\n")
    assert linecache.getline(str(other), 1) == "a line\n"


def test_p13_everything_is_put_back(tree: LiveTree) -> None:
    def hooks() -> list[Any]:
        extract = [v for k, v in vars(traceback.StackSummary).items() if "extract" in k]
        return [*extract, linecache.getlines, inspect.findsource, sys.excepthook]

    before = hooks()
    tree.write({"shop.py": OLD})
    tree.install()
    assert hooks() != before
    transfuse.uninstall()
    assert hooks() == before
