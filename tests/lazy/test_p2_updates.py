"""P2: lazy imports that are first used after updates, or while updates are published."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, ran
from support.lazy import needs_lazy_imports
from support.threads import Worker

if TYPE_CHECKING:
    from conftest import LiveTree

pytestmark = needs_lazy_imports

PRICES = "import outside\noutside.ran.append({0})\nTEA = {0}\ndef cost(): return {0}\n"
WEB = "lazy import prices\nlazy from prices import TEA, cost\n"
WEB += "def ask(): return {{prices.TEA, TEA, cost()}}\n# {0}\n"


@pytest.mark.parametrize("edits", ["both", "target", "in turns"])
def test_p2_each_of_six_generations_finds_its_own(tree: LiveTree, outside: Any, edits: str) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install()
    tree.module("web")
    begun = []
    for number in range(2, 7):
        go, pinned = threading.Event(), threading.Event()

        def ask(go: threading.Event = go, pinned: threading.Event = pinned) -> Any:
            with transfuse.pin():
                web = tree.module("web")
                pinned.set()
                assert go.wait(CAP)
                return web.ask()

        begun.append((go, Worker(ask)))
        assert pinned.wait(CAP)
        files = {"prices.py": PRICES.format(number)}
        if edits == "both" or (edits == "in turns" and number % 2):
            files["web.py"] = WEB.format(number)
        tree.published(files)
    assert outside.ran == []
    for place in (4, 0, 2, 1, 3):
        go, worker = begun[place]
        go.set()
        assert worker.result() == {place + 1}
    assert tree.module("web").ask() == {6}


DECLARED = [
    "lazy import prices\ndef ask(): return prices.TEA\n",
    "lazy from prices import TEA\ndef ask(): return TEA\n",
]


@pytest.mark.parametrize("web", DECLARED)
@pytest.mark.parametrize("used", [False, True])
def test_p2_a_module_becomes_a_package_and_a_module_again(
    tree: LiveTree, web: str, used: bool
) -> None:
    tree.write({"prices.py": "TEA = 1\n", "web.py": web})
    tree.install()
    assert not used or tree.module("web").ask() == 1

    def both(old: int, new: int) -> None:
        assert tree.module("web").ask() == old
        assert Worker(lambda: tree.module("web").ask()).result() == new
        assert tree.module("web").ask() == old

    tree.module("web")
    with transfuse.pin():
        tree.delete("prices.py")
        init = "lazy from .tea import TEA\n"
        package = {"prices/__init__.py": init, "prices/tea.py": "TEA = 2\n"}
        tree.published(package)
        both(1, 2)
    with transfuse.pin():
        tree.delete(*package)
        tree.published({"prices.py": "TEA = 3\n"})
        both(2, 3)
    assert tree.module("web").ask() == 3


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("used", [False, True])
def test_p6_the_statement_and_its_target_go_together(tree: LiveTree, used: bool) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install()
    kept = tree.module("web").ask
    assert not used or kept() == {1}
    with transfuse.pin():
        tree.delete("prices.py")
        tree.published({"web.py": "def ask(): return 'gone'\n"})
        assert tree.module("web").ask() == {1}
        assert Worker(lambda: tree.module("web").ask()).result() == "gone"
    assert kept() == {1}
    assert {"prices", "TEA", "cost"}.isdisjoint(vars(tree.module("web")))


def test_p2_a_target_that_is_the_same_uses_what_has_changed(tree: LiveTree) -> None:
    tree.write(
        {
            "rates.py": "TAX = 1\n",
            "prices.py": "from rates import TAX\nlazy import rates\n"
            "def ask(): return TAX, rates.TAX\n",
            "web.py": "lazy import prices\ndef ask(): return prices.ask()\n",
        }
    )
    tree.install()
    tree.module("web")
    with transfuse.pin():
        tree.published({"rates.py": "TAX = 2\n"})
        for _ in range(2):
            assert Worker(lambda: tree.module("web").ask()).result() == (2, 2)
            assert tree.module("web").ask() == (1, 1)


@pytest.mark.usefixtures("outside")
def test_p2_content_that_is_not_kept_is_said_and_nothing_is_mixed(tree: LiveTree) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install(store=0)
    tree.module("web")
    with transfuse.pin():
        tree.published({"prices.py": PRICES.format(2)})
        with pytest.raises(transfuse.ContentGone):
            tree.module("web").ask()
        assert Worker(lambda: tree.module("web").ask()).result() == {2}
    assert tree.module("web").ask() == {2}


@pytest.mark.usefixtures("outside")
def test_p4_a_use_in_an_update_that_fails_binds_nothing(tree: LiveTree) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install()
    before = dict(vars(tree.module("web")))
    tree.write({"prices.py": PRICES.format(2)})
    report = tree.update({"web.py": WEB.format(2) + "raise ValueError(TEA)\n"})
    assert report.outcome == "refused"
    assert "ValueError: 2" in (report.traceback or "")
    assert dict(vars(tree.module("web"))) == before
    assert tree.module("web").ask() == {1}


@pytest.mark.usefixtures("outside")
def test_p4_a_filter_that_fails_in_an_update_refuses_it(tree: LiveTree) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install()
    tree.module("web")

    def fails(*_about: Any) -> bool:
        raise RuntimeError("not decided")

    sys.set_lazy_imports_filter(fails)  # type: ignore[attr-defined, unused-ignore]
    try:
        report = tree.update({"web.py": WEB.format(2)})
    finally:
        sys.set_lazy_imports_filter(None)  # type: ignore[attr-defined, unused-ignore]
    assert report.outcome == "refused"
    assert "RuntimeError: not decided" in (report.traceback or "")
    assert tree.module("web").ask() == {1}
    assert ran(tree.published({"web.py": WEB.format(3)})) == ["web"]


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("edits", ["both", "target"])
def test_p2_threads_that_use_it_while_updates_are_published(tree: LiveTree, edits: str) -> None:
    tree.write({"prices.py": PRICES.format(1), "web.py": WEB.format(1)})
    tree.install()
    tree.module("web")
    over = threading.Event()

    def ask() -> list[Any]:
        mixed = []
        while not over.is_set():
            with transfuse.pin():
                found = [tree.module("web").ask() for _ in range(2)]
            if found[0] != found[1] or len(found[0]) != 1:
                mixed.append(found)
        return mixed

    workers = [Worker(ask) for _ in range(4)]
    for number in range(2, 16):
        files = {"prices.py": PRICES.format(number)}
        tree.published(files | ({"web.py": WEB.format(number)} if edits == "both" else {}))
    over.set()
    assert [worker.result() for worker in workers] == [[]] * 4
    assert tree.module("web").ask() == {15}
