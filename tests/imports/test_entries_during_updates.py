"""The program takes entries out of `sys.modules`, and puts them back, while an update runs."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support.threads import Worker, wait

if TYPE_CHECKING:
    from conftest import LiveTree

SLOW = "WHICH = @\nimport outside\nif outside.go: outside.at.set(); outside.go.wait(20)\n"


@pytest.fixture
def slow(tree: LiveTree, outside: Any) -> Any:
    """Return the foreign module whose events stop `mod`, which has been imported, when it runs."""
    outside.at, outside.go = threading.Event(), None
    tree.write(
        {"mod.py": SLOW.replace("@", "1"), "web.py": "def f():\n    import mod\n    return mod"}
    )
    tree.install()
    tree.module("web").f()
    outside.go = threading.Event()
    return outside


def test_an_entry_that_comes_back_during_an_update_stays(tree: LiveTree, slow: Any) -> None:
    kept = sys.modules.pop("mod")
    updating = Worker(lambda: tree.update({"mod.py": SLOW.replace("@", "2")}).outcome)
    wait(slow.at)
    sys.modules["mod"] = kept
    slow.go.set()
    assert updating.result() == "published"
    assert sys.modules["mod"] is kept
    assert tree.module("web").f().WHICH == 2


@pytest.mark.parametrize("broken", [False, True], ids=["published", "refused"])
def test_p4_a_removed_module_runs_again(tree: LiveTree, outside: Any, broken: bool) -> None:
    tree.write({"mod.py": "import outside\noutside.ran.append(1)\n", "web.py": "import mod\n"})
    tree.install()
    tree.module("web")
    del sys.modules["mod"]
    new = {"mod.py": "import outside\noutside.ran.append(2)\n", "web.py": "import mod\n# again\n"}
    report = tree.update(new | ({"web.py": "import mod\n1 / 0\n"} if broken else {}))
    assert report.outcome == ("refused" if broken else "published")
    assert ("mod" in sys.modules) is not broken
    outside.ran.clear()
    assert tree.module("mod").__name__ == "mod"
    # The update has run it, unless it was refused.
    assert outside.ran == ([1] if broken else [])
