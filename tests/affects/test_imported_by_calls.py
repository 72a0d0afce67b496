"""Foreign code imports a live module for a function that keeps what comes of the call.

No statement of the function says so: `app.config.from_object("conf")`.
"""

from __future__ import annotations

import inspect
import pkgutil
import sys
import textwrap
from types import ModuleType
from typing import Any

import pytest

from conftest import LiveTree, ran

LIBRARY = """
import importlib

def resolve(path):
    name, _, attribute = path.partition(":")
    return getattr(importlib.import_module(name), attribute)

class Settings:
    def take(self, name):
        module = __import__(name)
        self.rate = module.RATE

def run(text, names):
    exec(text, names)
"""
KEPT = {
    "a value in a global": """
        kept = {}
        def get():
            if not kept:
                kept["rate"] = outside.resolve("conf:RATE")
            return kept["rate"]
        """,
    "an object of the library": """
        settings = None
        def get():
            global settings
            if settings is None:
                settings = outside.Settings()
                settings.take("conf")
            return settings.rate
        """,
    "an object of the library that is there": """
        settings = outside.Settings()
        def get():
            if not hasattr(settings, "rate"):
                settings.take("conf")
            return settings.rate
        """,
    "a cache": """
        @functools.cache
        def get():
            return outside.resolve("conf:RATE")
        """,
    "an object that a helper makes": """
        kept = []
        def make():
            settings = outside.Settings()
            settings.take("conf")
            return settings
        def get():
            if not kept:
                kept.append(make())
            return kept[0].rate
        """,
    "an interpreter": """
        inside = code.InteractiveInterpreter({})
        def get():
            if "RATE" not in inside.locals:
                inside.runsource("from conf import RATE")
            return inside.locals["RATE"]
        """,
    "a folder that runpy runs": """
        @functools.cache
        def get():
            return runpy.run_path(__file__[:-6] + "program")["RATE"]
        """,
}
HEAD = "import code, functools, runpy\nimport outside\n"


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(LIBRARY, vars(module))


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_p5_what_comes_of_the_call_is_kept(tree: LiveTree, policy: str, source: str) -> None:
    tree.write({"web.py": HEAD + textwrap.dedent(source), "conf.py": "from leaf import RATE\n"})
    tree.write({"program/__main__.py": "from leaf import RATE\n", "leaf.py": "RATE = 1\n"})
    tree.install(policy=policy)
    assert tree.module("web").get() == 1
    for rate in (2, 3):
        assert "web" in ran(tree.published({"leaf.py": f"RATE = {rate}\n"}))
        assert tree.module("web").get() == rate


def test_p12_what_comes_of_the_call_is_not_kept(tree: LiveTree) -> None:
    source = (
        "calls = []\ndef get():\n    calls.append(1)\n    return outside.resolve('conf:RATE')\n"
    )
    tree.write({"web.py": HEAD + source, "conf.py": "RATE = 1\n"})
    tree.install()
    assert tree.module("web").get() == 1
    for rate in (2, 3):
        assert ran(tree.published({"conf.py": f"RATE = {rate}\n"})) == ["conf"]
        assert tree.module("web").get() == rate


def scan(package: Any) -> None:
    """Look at all that a package has, and import its submodules, as `venusian.Scanner` does."""
    inspect.getmembers(package)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        __import__(found.name)


def test_p12_code_that_scans_a_package_runs_once(tree: LiveTree, outside: Any) -> None:
    outside.scan = scan
    web = (
        "import outside, shop\nfrom shop.prices import V\noutside.ran.append(V)\noutside.scan(shop)"
    )
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/stock.py": "CUPS = []",
            "shop/prices.py": "V = 1",
            "web.py": web,
        }
    )
    tree.install()
    tree.module("web")
    # By now the package has submodules that it did not have when it was scanned first.
    report = tree.published({"shop/prices.py": "V = 2"})
    assert (ran(report), outside.ran) == (["shop.prices", "web"], [1, 2])
