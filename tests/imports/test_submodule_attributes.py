"""A submodule that code reaches through its package, while another module has imported it."""

from __future__ import annotations

import pytest

from conftest import LiveTree, ran

TAKEN = {
    "module": "import shop\nprices = shop.prices\ndef show():\n    return prices.V\n",
    "value": "import shop\nV = shop.prices.V\ndef show():\n    return V\n",
    "base class": "import shop\nclass Own(shop.prices.Base): ...\ndef show():\n    return Own.V\n",
    "alias": "import shop as s\nclass Own(s.prices.Base): ...\ndef show():\n    return Own.V\n",
    "getattr": "import shop\nprices = getattr(shop, 'prices')\ndef show():\n    return prices.V\n",
    "star": "from shop import *\ndef show():\n    return prices.V\n",
    "members": """
        import inspect, shop
        found = dict(inspect.getmembers(shop, inspect.ismodule))
        def show():
            return found["prices"].V
        """,
    "namespace": "import shop\nV = vars(shop)['prices'].V\ndef show():\n    return V\n",
    "dict of the package": """
        import shop
        V = shop.__dict__["prices"].V
        def show():
            return V
        """,
    "through another module": """
        import hub
        V = hub.shop.prices.V
        def show():
            return V
        """,
    "sys.modules": """
        import sys, shop
        V = sys.modules["shop"].prices.V
        def show():
            return V
        """,
    "import_module": """
        import importlib
        package = importlib.import_module("shop")
        V = package.prices.V
        def show():
            return V
        """,
    "by a name": """
        import pkgutil
        V = pkgutil.resolve_name("shop:prices.V")
        def show():
            return V
        """,
    "by operator": """
        import operator, shop
        V = operator.attrgetter("prices.V")(shop)
        def show():
            return V
        """,
    "by a function": """
        import shop
        def take():
            return shop.prices.V
        V = take()
        def show():
            return V
        """,
    "by a function that imports": """
        def take():
            import shop
            return shop.prices.V
        V = take()
        def show():
            return V
        """,
    "text of an annotation": """
        import typing, shop
        class Own:
            base: "list[shop.prices.Base]"
        V, = typing.get_args(typing.get_type_hints(Own)["base"])
        def show():
            return V.V
        """,
    "annotations that are all text": """
        from __future__ import annotations
        import typing, shop
        def sell(base: shop.prices.Base | None): ...
        V, _ = typing.get_args(typing.get_type_hints(sell)["base"])
        def show():
            return V.V
        """,
    "kept later": """
        import shop
        found = {}
        def show():
            if not found:
                found["V"] = shop.prices.V
            return found["V"]
        """,
    "imported and kept later": """
        found = {}
        def show():
            import shop
            if not found:
                found["V"] = shop.prices.V
            return found["V"]
        """,
    "relative": "from .. import shop\nV = shop.prices.V\ndef show():\n    return V\n",
    "loop over the names": """
        import shop
        V = [each.V for each in vars(shop).values() if hasattr(each, "V")][0]
        def show():
            return V
        """,
    "loop over the dict": """
        import shop
        V = sum(each.V for each in shop.__dict__.values() if hasattr(each, "V"))
        def show():
            return V
        """,
    "passed on": "from hub import shop\nV = shop.prices.V\ndef show():\n    return V\n",
    "handed to another module": """
        import collect, shop
        V, = collect.by_vars(shop)
        def show():
            return V
        """,
    "handed to another module that takes the dict": """
        import shop
        from collect import by_dict
        V, = by_dict(shop)
        def show():
            return V
        """,
    "called": "import helper\nV = helper.take()\ndef show():\n    return V\n",
}
COLLECT = """
def by_vars(package):
    return [each.V for each in vars(package).values() if hasattr(each, "V")]
def by_dict(package):
    return [each.V for each in package.__dict__.values() if hasattr(each, "V")]
"""
PRICES = "V = @\nclass Base:\n    V = @\n"


@pytest.mark.parametrize("way", TAKEN)
def test_p5_a_submodule_taken_of_its_package(tree: LiveTree, policy: str, way: str) -> None:
    inside = "top." if way == "relative" else ""
    tree.write(
        {
            "top/__init__.py": "",
            f"{inside.replace('.', '/')}shop/__init__.py": "",
            f"{inside.replace('.', '/')}shop/prices.py": PRICES.replace("@", "1"),
            f"{inside.replace('.', '/')}sub/__init__.py": "",
            f"{inside.replace('.', '/')}sub/views.py": TAKEN[way],
            "hub.py": "import shop\n" if not inside else "",
            "collect.py": COLLECT,
            "helper.py": "import shop\ndef take():\n    return shop.prices.V\n",
            "app.py": f"import {inside}shop.prices, {inside}sub.views as views\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("app").views.show() == 1
    for value in (2, 3):
        path = f"{inside.replace('.', '/')}shop/prices.py"
        tree.published({path: PRICES.replace("@", str(value))})
        assert value == tree.module("app").views.show()
        assert tree.module(f"{inside}shop.prices").V == value


def test_p5_a_submodule_of_a_package_in_a_package(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/core/__init__.py": "",
            "shop/core/prices.py": "V = 1\n",
            "views.py": "import shop\nV = shop.core.prices.V\n",
            "app.py": "import shop.core.prices, views\n",
        }
    )
    tree.install(policy=policy)
    tree.module("app")
    report = tree.published({"shop/core/prices.py": "V = 2\n"})
    assert ran(report) == ["shop.core.prices", "views", "app"]
    assert tree.module("app").views.V == 2


def test_p5_a_submodule_that_is_new(tree: LiveTree, policy: str) -> None:
    views = "import shop\nV = getattr(shop, 'prices', None)\n"
    tree.write({"shop/__init__.py": "", "first.py": "", "views.py": views})
    tree.write({"app.py": "import first, views\n"})
    tree.install(policy=policy)
    assert tree.module("app").views.V is None
    tree.published({"shop/prices.py": "V = 1\n", "first.py": "import shop.prices\n"})
    assert tree.module("app").views.V is tree.module("shop.prices")


def test_p12_other_attributes_of_the_package_count_for_nothing(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "shop/__init__.py": "NAME = 'shop'\n",
            "shop/prices.py": "V = 1\n",
            "views.py": "import shop\nNAME = shop.NAME\n",
            "other.py": "from shop import NAME\nclass Page:\n    prices = 1\nprint(Page.prices)\n",
            "app.py": "import views, other\ndef late():\n    import shop.prices\n",
        }
    )
    tree.install(policy=policy)
    tree.module("app").late()
    assert ran(tree.published({"shop/prices.py": "V = 2\n"})) == ["shop.prices"]


def test_p12_a_function_that_imports_a_submodule_keeps_nothing(tree: LiveTree, policy: str) -> None:
    late = "def late():\n    import shop.prices as prices\n    return prices.V\n"
    tree.write({"shop/__init__.py": "NAME = 'shop'\n", "shop/prices.py": "V = 1\n"})
    tree.write({"views.py": f"import shop\nNAME = shop.NAME\n{late}", "app.py": "import views\n"})
    tree.install(policy=policy)
    assert tree.module("app").views.late() == 1
    assert ran(tree.published({"shop/prices.py": "V = 2\n"})) == ["shop.prices"]
    assert tree.module("app").views.late() == 2


def test_a_star_takes_a_submodule_that_is_new(tree: LiveTree, policy: str) -> None:
    tree.write({"shop/__init__.py": "", "views.py": "from shop import *\n"})
    tree.write(
        {"app.py": "try:\n    import shop.prices\nexcept ImportError:\n    pass\nimport views\n"}
    )
    tree.install(policy=policy)
    assert not hasattr(tree.module("app").views, "prices")
    assert sorted(ran(tree.published({"shop/prices.py": "V = 1\n"}))) == ["app", "views"]
    assert tree.module("app").views.prices.V == 1


def test_a_star_of_a_package_that_lists_its_names(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "__all__ = []\n", "views.py": "from shop import *\n"})
    tree.write({"app.py": "import views\n"})
    tree.install()
    tree.module("app")
    tree.write({"shop/prices.py": "V = 1\n"})
    assert ran(tree.published({"app.py": "import views, shop.prices\n"})) == ["app"]
