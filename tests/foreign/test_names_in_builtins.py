"""P5: names that live code puts into `builtins`, which other modules read without an import."""

from __future__ import annotations

import builtins
import importlib
import json
from typing import TYPE_CHECKING

import pytest

from conftest import ran

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

CONF = """
import builtins
class Conf:
    price = {}
builtins.shop_conf = Conf()
"""


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    """Leave `builtins` as they were."""
    before = set(vars(builtins))
    yield
    for name in set(vars(builtins)) - before:
        delattr(builtins, name)


def test_readers_at_module_level_run_again(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "conf.py": CONF.format(1),
            "prices.py": "PRICE = shop_conf.price\n",
            "later.py": "def price(): return shop_conf.price\n",
            "web.py": "import conf\nOWN = shop_conf.price\nimport prices, later\n",
        }
    )
    tree.install(policy=policy)
    web = tree.module("web")
    for number in (2, 3):
        with_others = tree.published({"conf.py": CONF.format(number)})
        assert ran(with_others) == ["conf", "prices", "web"]
        web = tree.module("web")
        assert (web.OWN, web.prices.PRICE, web.later.price()) == (number, number, number)


def test_a_reader_registers_with_an_object_that_a_call_has_put_there(
    tree: LiveTree, policy: str
) -> None:
    factory = """
        import builtins
        class App:
            def __init__(self):
                self.routes = []
        def create():
            builtins.shop_app = App()
            import routes
            return builtins.shop_app
        """
    tree.write(
        {
            "factory.py": factory,
            "routes.py": "shop_app.routes.append('index')\n",
            "helpers.py": "V = 1\n",
            "web.py": "import factory, helpers\napp = factory.create()\n",
        }
    )
    tree.install(policy=policy)
    tree.module("web")
    for number in (2, 3):
        tree.published({"helpers.py": f"V = {number}\n"})
        assert tree.module("web").app.routes == ["index"]
        assert vars(builtins)["shop_app"] is tree.module("web").app


def test_a_name_that_the_source_no_longer_sets_is_gone_for_readers(
    tree: LiveTree, policy: str
) -> None:
    reader = "try:\n    V = shop_flag\nexcept NameError:\n    V = None\n"
    tree.write(
        {
            "conf.py": "import builtins\nbuiltins.shop_flag = 1\n",
            "apart.py": reader,
            "web.py": "import conf\n" + reader + "import apart\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("web").V == 1
    tree.published({"conf.py": ""})
    assert (tree.module("web").V, tree.module("web").apart.V) == (None, None)
    assert not hasattr(builtins, "shop_flag")


def test_a_refused_update_leaves_the_names(tree: LiveTree, policy: str) -> None:
    tree.write({"conf.py": CONF.format(1), "web.py": "import conf\nV = shop_conf.price\n"})
    tree.install(policy=policy)
    tree.module("web")
    former = vars(builtins)["shop_conf"]
    changes = {"conf.py": CONF.format(2), "web.py": "import conf\n1 / 0\n"}
    assert tree.update(changes).outcome == "refused"
    assert vars(builtins)["shop_conf"] is former


def test_a_plain_value_that_is_set_again_stays(
    tree: LiveTree, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json, "shop_limit", 1, raising=False)
    source = "import json\njson.shop_limit = 5\nEDITION = {}\n"
    tree.write({"conf.py": source.format(1)})
    tree.install(policy=policy)
    tree.module("conf")
    for number in (2, 3):
        tree.published({"conf.py": source.format(number)})
        assert vars(json)["shop_limit"] == 5
    tree.published({"conf.py": "EDITION = 4\n"})
    assert vars(json)["shop_limit"] == 1


WRAPPER = """
import importlib
original = importlib.import_module
def load(name, package=None):
    return call(name, package)
def call(name, package):
    return original(name, package)
importlib.import_module = load
prices = importlib.import_module("prices")
def late(): return importlib.import_module("prices").PRICE
"""


def test_a_wrapper_of_import_module_imports_for_its_caller(
    tree: LiveTree, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", importlib.import_module)
    tree.write({"prices.py": "PRICE = 1\n", "web.py": WRAPPER})
    tree.install(policy=policy)
    tree.module("web")
    for number in (2, 3):
        tree.published({"prices.py": f"PRICE = {number}\n"})
        web = tree.module("web")
        assert (web.prices.PRICE, web.late()) == (number, number)
