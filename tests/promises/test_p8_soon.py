"""P8: former code leaves memory soon, without a collection of the whole heap."""

from __future__ import annotations

import gc
import sys
import time
import types
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from test_p8_contents import CONTENTS

from conftest import CAP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree


@pytest.fixture(autouse=True)
def rare() -> Iterator[None]:
    """Collections so rare that none happens here by itself."""
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(10**9)
    yield
    gc.set_threshold(*before)


def executions(tree: LiveTree) -> int:
    """How many executions of `shop` are in memory. Nothing is collected for it."""
    path = str(tree.root / "shop.py")
    modules = [each for each in gc.get_objects() if type(each) is types.ModuleType]
    return sum(getattr(each, "__file__", None) == path for each in modules)


def until_there_are(tree: LiveTree, number: int) -> None:
    """Wait for the updating thread, which collects after it has told of the update."""
    deadline = time.monotonic() + CAP
    while (found := executions(tree)) > number:
        assert time.monotonic() < deadline, f"{found} executions are in memory, not {number}"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", CONTENTS)
def test_p8_former_code_goes_without_a_full_collection(tree: LiveTree, kind: str) -> None:
    tree.write({"shop.py": CONTENTS[kind]})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    for number in range(1, 6):
        tree.published({"shop.py": "\n" * number + CONTENTS[kind]})
    until_there_are(tree, 1)


@pytest.mark.parametrize("kind", CONTENTS)
def test_p8_refused_code_goes_without_a_full_collection(
    tree: LiveTree, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.Logger.isEnabledFor", lambda *_: False)
    tree.write({"shop.py": CONTENTS[kind], "page.py": "import shop\n"})
    tree.install(policy="fresh", keep=0)
    tree.module("page")
    for number in range(1, 6):
        tree.update({"shop.py": "\n" * number + CONTENTS[kind] + "1 / 0\n"})
        report = tree.update({"shop.py": CONTENTS[kind], "page.py": f"import shop\n{number} / 0\n"})
        assert report.outcome == "refused"
        # They have the errors, and these have the frames.
        del report
        tree.reports.clear()
    tree.published({"page.py": "import shop  # good\n"})
    tree.reports.clear()
    until_there_are(tree, 1)


def test_p8_what_is_used_elsewhere_stays_and_works(tree: LiveTree) -> None:
    """Foreign code keeps a function, an instance and a generator of three former executions."""
    text = """\
        RATE = {}
        class Tea:
            def price(self): return RATE
        def price(): return Tea().price()
        def prices():
            while True: yield price()
        """
    tree.write({"shop.py": text.format(0)})
    tree.install(policy="fresh", keep=0)
    kept = []
    for number, take in enumerate(("price", "Tea", "prices"), 1):
        tree.published({"shop.py": text.format(number)})
        kept.append(getattr(tree.module("shop"), take))
    function, instance, generator = kept[0], kept[1](), kept[2]()
    assert next(generator) == 3
    del kept
    for number in range(4, 8):
        tree.published({"shop.py": text.format(number)})
    until_there_are(tree, 4)
    assert (function(), instance.price(), next(generator)) == (1, 2, 3)
    assert tree.module("shop").price() == 7


def test_p8_a_finalizer_finds_the_globals_of_its_module(tree: LiveTree) -> None:
    tree.write({"shop.py": "TOLD = []\n__preserve__ = ['TOLD']\n"})
    text = """\
        import shop
        told = shop.TOLD
        class Tea:
            def __init__(self): self.me = self
            def __del__(self): told.append((NUMBER, Tea is type(self)))
        NUMBER = {}
        TEA = Tea()
        """
    tree.write({"tea.py": text.format(0)})
    tree.install(policy="fresh", keep=0)
    tree.module("tea")
    for number in range(1, 4):
        tree.published({"tea.py": text.format(number)})
    told = tree.module("shop").TOLD
    deadline = time.monotonic() + CAP
    while len(told) < 3:
        assert time.monotonic() < deadline, told
        time.sleep(0.01)
    assert told == [(0, True), (1, True), (2, True)]


def test_p8_a_program_that_has_no_collections_has_none(tree: LiveTree) -> None:
    begun: list[dict[str, int]] = []
    note = lambda _, information: begun.append(information)  # noqa: E731 - to be removed by identity
    tree.write({"shop.py": "def f(): return f\n"})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    gc.disable()
    gc.callbacks.append(note)
    try:
        for number in range(1, 4):
            tree.published({"shop.py": f"def f(): return {number}\n"})
        tree.update()
        assert begun == []
    finally:
        gc.callbacks.remove(note)
        gc.enable()


def test_p8_a_collection_that_an_update_meets_frees_all_that_it_found(tree: LiveTree) -> None:
    """An object that is freed has code of its own, and an update is published meanwhile."""
    tree.write({"shop.py": "def price(): return 0\n"})
    tree.install(policy="fresh", keep=0)
    held = [tree.module("shop").price]
    former = weakref.ref(held[0])
    tree.published({"shop.py": "def price(): return 1\n"})

    class Late:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            tree.published({"shop.py": "def price(): return 2\n"})

    Late()
    held.clear()
    gc.collect()
    assert tree.module("shop").price() == 2
    assert former() is None


# A foreign cache that is asked with an object of the program.
CACHES = {
    "without a limit": "@functools.lru_cache(maxsize=None)\n",
    "with a limit": "@functools.lru_cache(maxsize=128)\n",
}
LABELS = """
import labels_outside
class Label(str):
    def upper(self):
        return self + "{0}"
labels_outside.split(Label("green"))
labels_outside.split((1, [Label][0]))
"""


@pytest.mark.parametrize("cache", CACHES)
def test_p8_a_foreign_cache_does_not_keep_what_it_was_asked_with(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    outside: Any = types.ModuleType("labels_outside")
    monkeypatch.setitem(sys.modules, "labels_outside", outside)
    exec(f"import functools\n{CACHES[cache]}def split(text):\n    return 1\n", vars(outside))
    outside.split("of the library")
    tree.write({"shop.py": LABELS.format(0)})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    for number in range(1, 6):
        tree.published({"shop.py": LABELS.format(number)})
    # The last one leaves with the next update.
    until_there_are(tree, 2)
    if cache == "without a limit":
        before = outside.split.cache_info().misses
        outside.split("of the library")
        assert outside.split.cache_info().misses == before


def test_p8_live_code_keeps_its_own_cache(tree: LiveTree) -> None:
    cached = f"import functools\n{CACHES['with a limit']}def split(text):\n    return [1]\n"
    shop = "class Label(str):\n    def upper(self):\n        return ''\n"
    tree.write({"shop.py": shop, "own_labels.py": cached})
    tree.install(policy="fresh", keep=0)
    split = tree.module("own_labels").split
    first = split("of the library")
    for number in range(1, 6):
        split(tree.module("shop").Label("green"))
        tree.published({"shop.py": shop + "\n" * number})
    assert split("of the library") is first
