"""In which generations a new file appears that was made after them and without an update."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

MAIN = """
def lazy():
    try:
        import plugin
    except ImportError:
        return "no plugin"
    return plugin.V
"""
RELEASE = {
    "main.py": "1/0\n",
    "plugin.py": "import conf\nV = 'new', conf.V\n",
    "conf.py": "V = 2\n",
}


@pytest.fixture
def app(tree: LiveTree, policy: str) -> LiveTree:
    tree.write({"main.py": MAIN, "conf.py": "V = 1\n"})
    tree.install(policy=policy)
    tree.module("main")
    tree.module("conf")
    return tree


def test_what_is_written_and_imported_at_once_is_found(app: LiveTree) -> None:
    assert app.module("main").lazy() == "no plugin"
    app.write({"plugin.py": "from pack import helper\nV = helper.V\n"})
    app.write({"pack/__init__.py": "", "pack/helper.py": "V = 3\n"})
    assert app.module("main").lazy() == 3
    assert app.update().outcome == "unchanged"


def test_a_module_that_writes_another_as_it_runs_finds_it(app: LiveTree) -> None:
    text = (
        "from pathlib import Path\nPath(__file__).with_name('made.py').write_text('V = {0}\\n')\n"
    )
    app.write({"maker.py": (text + "import made\nV = made.V\n").format(1)})
    assert app.module("maker").V == 1
    app.published({"main.py": text.replace("made", "more").format(2) + "import more\nV = more.V\n"})
    assert app.module("main").V == 2


@pytest.mark.parametrize("updated", [False, True], ids=["saved", "refused"])
def test_p3_no_file_of_a_release_appears_before_the_others(app: LiveTree, updated: bool) -> None:
    with transfuse.pin():
        assert app.module("main").lazy() == "no plugin"
        app.write(RELEASE)
        if updated:
            assert transfuse.update().outcome == "refused"
        assert app.module("main").lazy() == "no plugin"
    assert app.module("main").lazy() == "no plugin"
    app.published({"main.py": MAIN})
    assert app.module("main").lazy() == ("new", 2)


def test_p2_a_new_file_does_not_appear_to_who_is_pinned(app: LiveTree) -> None:
    with transfuse.pin():
        app.write({"plugin.py": "V = 'new'\n"})
        assert app.module("main").lazy() == "no plugin"
    app.published()
    assert app.module("main").lazy() == "new"


def test_p2_what_a_unit_of_work_was_told_is_not_there_stays_so(app: LiveTree) -> None:
    """Also where other threads, which are not pinned, look for it."""

    def elsewhere() -> object:
        seen: list[object] = []
        thread = threading.Thread(target=lambda: seen.append(app.module("main").lazy()))
        thread.start()
        thread.join()
        return seen[0]

    with transfuse.pin():
        assert app.module("main").lazy() == "no plugin"
        app.write({"plugin.py": "V = 'new'\n"})
        assert elsewhere() == "no plugin"
        assert app.module("main").lazy() == "no plugin"
    app.published()
    assert (app.module("main").lazy(), elsewhere()) == ("new", "new")


def test_p2_a_new_file_does_not_appear_to_old_code(app: LiveTree) -> None:
    old = app.module("main").lazy
    app.published({"main.py": MAIN + "# edited\n"})
    app.write({"plugin.py": "V = 'new'\n"})
    assert old() == "no plugin"
    assert app.module("main").lazy() == "new"
    assert old() == "no plugin"


def test_p5_a_file_that_a_module_has_missed_waits_for_an_update(app: LiveTree) -> None:
    """If it appeared before, the update would not know that it is new to that module."""
    app.write({"opt.py": "try:\n    import plugin\nexcept ImportError:\n    plugin = None\n"})
    assert app.module("opt").plugin is None
    app.write({"plugin.py": "V = 'new'\n"})
    assert app.module("main").lazy() == "no plugin"
    app.published()
    assert app.module("opt").plugin.V == app.module("main").lazy() == "new"
