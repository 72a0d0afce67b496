"""What cannot be compiled is refused before any code of the update runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree


@pytest.mark.parametrize("broken", ["def (", "x = '\\x00'\n\x00", "return 1\n"])
def test_no_module_of_the_plan_runs(tree: LiveTree, outside: Any, broken: str) -> None:
    text = "import outside\noutside.ran.append(__name__)\n"
    tree.write(
        {"conf.py": text, "shop.py": text + "import conf\n", "web.py": text + "import shop\n"}
    )
    tree.install()
    tree.module("web")
    outside.ran.clear()
    assert tree.update({"conf.py": text + "V = 2\n", "shop.py": broken}).outcome == "refused"
    assert outside.ran == []
    tree.published({"shop.py": text + "import conf\n"})
    assert outside.ran == ["web", "shop", "conf"]


def test_a_broken_file_that_no_loaded_module_came_from_is_nothing(tree: LiveTree) -> None:
    tree.write({"conf.py": "V = 1\n"})
    tree.install()
    tree.module("conf")
    tree.published({"conf.py": "V = 2\n", "scratch.py": "def ("})
    assert tree.module("conf").V == 2


def test_a_file_that_was_saved_before_a_rollback_is_not_due(tree: LiveTree) -> None:
    tree.write({"m.py": "V = 1\n", "web.py": "import m\n"})
    tree.install(watch=True)
    tree.module("web")
    tree.write({"m.py": "V = 2\n"})
    tree.wait(lambda report: report.ok)
    tree.write({"m.py": "import time\ntime.sleep(0.5)\nV = 3\n"})
    tree.write({"n.py": ""})
    transfuse.rollback()
    after = len(tree.reports)
    assert tree.quiet(after=after, seconds=1.0)
    assert tree.module("web").m.V == 1
