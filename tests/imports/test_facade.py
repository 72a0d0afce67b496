"""The facade: what foreign code gets is a module in all that can be asked of one."""

from __future__ import annotations

import gc
import importlib
import inspect
import pydoc
import sys
import types
import weakref
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import transfuse
from support.interpreter import LIVE, python
from support.threads import Worker
from support.two_generations import at, foreign_code_finds

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import LiveTree

FILES = {
    "shop/__init__.py": '"""Shop @."""\nWHICH = @\n',
    "shop/prices.py": '"""Prices @."""\nTEA = @\nonly_@ = True\ndef tea(): return TEA\n',
    "web.py": "import shop.prices\ndef tea(): return shop.prices.TEA\n# @\n",
}
ASKED: dict[str, Callable[[Any], Any]] = {
    "get": lambda prices: prices.TEA,
    "getattr": lambda prices: getattr(prices, "TEA"),  # noqa: B009
    "call": lambda prices: prices.tea(),
    "doc": lambda prices: int(prices.__doc__[-2]),
    "vars": lambda prices: vars(prices)["TEA"],
    "__dict__": lambda prices: prices.__dict__["TEA"],
    "dir": lambda prices: next(int(n[-1]) for n in dir(prices) if n.startswith("only_")),
    "hasattr": lambda prices: 1 if hasattr(prices, "only_1") else 2,
    "getmembers": lambda prices: dict(inspect.getmembers(prices))["TEA"],
    "help": lambda prices: int(pydoc.render_doc(prices).split("Prices ")[1][0]),
    "getdoc": lambda prices: int((inspect.getdoc(prices) or "")[-2]),
    "package": lambda _: sys.modules["shop"].prices.TEA,
    "package of a package": lambda _: int((sys.modules["shop"].__doc__ or "")[-2]),
    "globals": lambda prices: prices.tea.__globals__["TEA"],
}


@pytest.mark.parametrize("how", ASKED)
def test_p2_a_facade_asked_in_every_way(tree: LiveTree, policy: str, how: str) -> None:
    def ask() -> Any:
        return ASKED[how](importlib.import_module("shop.prices"))

    foreign_code_finds(tree, FILES, ask, policy=policy)


def test_a_facade_is_one_object_for_good(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    tree.install()
    prices: Any = importlib.import_module("shop.prices")
    shop: Any = importlib.import_module("shop")
    tree.module("web")

    def same() -> bool:
        found: dict[str, Any] = {}
        exec("import shop.prices as a\nfrom shop import prices as b\nimport shop", found)
        everywhere = [
            sys.modules["shop.prices"],
            importlib.import_module(".prices", "shop"),
            shop.prices,
            found["a"],
            found["b"],
            found["shop"].prices,
            __import__("shop.prices").prices,
            __import__("shop.prices", fromlist=["TEA"]),
        ]
        return all(each is prices for each in everywhere)

    assert same()
    seen = weakref.ref(prices)
    with transfuse.pin():
        tree.published(at(FILES, 2))
        assert same()
    assert same()
    assert Worker(same).result()
    assert {prices: 1}[sys.modules["shop.prices"]] == 1
    gc.collect()
    assert seen() is prices


def test_a_facade_is_a_module_to_whoever_asks(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    tree.install()
    module = importlib.import_module("shop.prices")
    file = str(tree.root / "shop" / "prices.py")
    assert isinstance(module, types.ModuleType)
    assert inspect.ismodule(module)
    prices: Any = module
    assert repr(prices) == f"<module 'shop.prices' from {file!r}>"
    assert (prices.__name__, prices.__file__, prices.__package__) == ("shop.prices", file, "shop")
    assert prices.__spec__.name == "shop.prices"
    assert prices.__spec__.origin == file
    assert prices.__loader__.get_source("shop.prices").startswith('"""Prices')
    assert not hasattr(prices, "__path__")
    assert [*sys.modules["shop"].__path__] == [str(tree.root / "shop")]
    with pytest.raises(AttributeError, match=r"^module 'shop.prices' has no attribute 'coffee'$"):
        _ = prices.coffee
    with pytest.raises(AttributeError, match="coffee"):
        del prices.coffee
    assert getattr(prices, "coffee", None) is None
    assert prices == prices  # noqa: PLR0124
    assert prices != sys.modules["shop"]


def test_p2_what_foreign_code_sets_is_set_in_the_generation_that_answers(
    tree: LiveTree, policy: str
) -> None:
    tree.write(at(FILES, 1))
    tree.install(policy=policy)
    prices: Any = importlib.import_module("shop.prices")
    old = tree.module("web").tea
    with transfuse.pin():
        tree.published(at(FILES, 2))
        prices.TEA = 10
        prices.added = True
        assert (prices.TEA, old(), tree.module("web").tea()) == (10, 10, 10)
        assert Worker(lambda: (prices.TEA, hasattr(prices, "added"))).result() == (2, False)
        del prices.TEA
        assert not hasattr(prices, "TEA")
        prices.TEA = 1
    assert prices.TEA == 2
    vars(prices)["TEA"] = 20
    assert (prices.TEA, tree.module("web").tea(), old()) == (20, 20, 1)
    del prices.only_2
    assert not hasattr(tree.module("shop.prices"), "only_2")


def test_monkeypatch_reaches_the_current_generation(tree: LiveTree, policy: str) -> None:
    tree.write(at(FILES, 1))
    tree.install(policy=policy)
    prices: Any = importlib.import_module("shop.prices")
    tree.module("web")
    for number in (1, 2, 3):
        tree.update(at(FILES, number))
        tea = tree.module("web").tea
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("shop.prices.TEA", 10)
            assert (tea(), prices.TEA) == (10, 10)
            patch.setattr(prices, "TEA", 20)
            assert (tea(), prices.TEA) == (20, 20)
            patch.setattr(sys.modules["shop"], "prices", types.SimpleNamespace(TEA=30))
            assert tea() == 30
            patch.setattr("shop.prices.fresh", 1, raising=False)
            patch.delattr("shop.WHICH")
            assert not hasattr(tree.module("shop"), "WHICH")
        assert (tea(), prices.TEA, tree.module("shop").WHICH) == (number, number, number)
        assert not hasattr(prices, "fresh")
        assert sys.modules["shop"].prices is prices
        assert type(tree.module("shop").prices) is types.ModuleType


def test_monkeypatch_across_an_update_is_undone_without_a_trace(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    tree.install(policy="fresh")
    prices: Any = importlib.import_module("shop.prices")
    old = tree.module("web").tea
    with transfuse.pin():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(prices, "TEA", 10)
            tree.published(at(FILES, 2))
            assert (old(), prices.TEA) == (10, 10)
            assert Worker(lambda: prices.TEA).result() == 2
        assert (old(), prices.TEA) == (1, 1)
    assert (prices.TEA, tree.module("web").tea()) == (2, 2)


def test_mock_patch_by_name_by_object_and_on_builtins(tree: LiveTree, policy: str) -> None:
    tree.write(at(FILES, 1))
    tree.write({"opens.py": "def read(name): return open(name)\ndef told(): return len('abc')\n"})
    tree.install(policy=policy)
    prices: Any = importlib.import_module("shop.prices")
    old = tree.module("web").tea
    kept = tree.module("opens").read
    with transfuse.pin():
        tree.published({**at(FILES, 2), "opens.py": "def read(name): return open(name)\n# 2\n"})
        with mock.patch("shop.prices.TEA", 10):
            assert (prices.TEA, old()) == (10, 10)
            assert Worker(lambda: tree.module("web").tea()).result() == 2
        assert (prices.TEA, old()) == (1, 1)
    with mock.patch("shop.prices.TEA", 10), mock.patch("web.shop") as shop:
        shop.prices.TEA = 30
        assert (prices.TEA, tree.module("web").tea(), old()) == (10, 30, 1)
    with mock.patch.object(prices, "tea", autospec=True) as tea:
        tea.return_value = 5
        assert tree.module("shop.prices").tea() == 5
    with mock.patch.multiple("shop.prices", TEA=6, added=7, create=True):
        assert (prices.TEA, prices.added) == (6, 7)
    assert not hasattr(prices, "added")
    with mock.patch.dict("shop.prices.__dict__", TEA=8):
        assert tree.module("web").tea() == 8
    assert (prices.TEA, tree.module("web").tea(), prices.tea()) == (2, 2, 2)
    with mock.patch("builtins.open", mock.mock_open(read_data="patched")):
        assert kept("x").read() == tree.module("opens").read("x").read() == "patched"
    with mock.patch("opens.open", mock.mock_open(read_data="mine"), create=True):
        assert tree.module("opens").read("x").read() == "mine"
        with pytest.raises(FileNotFoundError):
            kept("/no/such/file")
    with mock.patch("shop.prices") as whole:
        whole.TEA = 9
        assert tree.module("web").tea() == 9
    assert tree.module("web").tea() == 2


def test_a_facade_of_a_module_that_is_gone_says_so(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    tree.write({"extra.py": "VALUE = 1\n"})
    tree.install()
    extra: Any = importlib.import_module("extra")
    with transfuse.pin():
        tree.delete("extra.py")
        tree.published()
        assert extra.VALUE == 1
    assert tree.update().outcome == "unchanged"  # and what the pin held back is done by now
    with pytest.raises(AttributeError, match='"extra" is not part of this generation'):
        _ = extra.VALUE
    assert "extra" not in sys.modules
    assert repr(extra) == "<module 'extra' (gone)>"
    assert "VALUE" not in dir(extra)
    tree.published({"extra.py": "VALUE = 2\n"})
    assert importlib.import_module("extra") is extra
    assert extra.VALUE == 2


def test_a_facade_pickles_no_more_than_a_module_does(tree: LiveTree) -> None:
    tree.write(at(FILES, 1))
    ask = """
        import copy, pickle, shop.prices as prices
        for what in (pickle.dumps, copy.copy, copy.deepcopy):
            try:
                what(prices)
            except TypeError as error:
                print(error)
        """
    plain = python(tree.root, ask)
    assert len(plain) == 3
    assert python(tree.root, LIVE, ask) == [line.replace("module", "module") for line in plain]
