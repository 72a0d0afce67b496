"""P4: whatever is raised while staging leaves the current generation as it was."""

from __future__ import annotations

import builtins
import gc
import json
import logging
import sys
import time
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP
from transfuse.cli.status import status_lines
from transfuse.errors import PolicyError
from transfuse.updates.reports import UpdateRefused

if TYPE_CHECKING:
    from conftest import LiveTree

APPLICATION = {
    "web.py": """
        import shop
        from shop import prices, registry
        from shop.prices import TEA
        def ask(): return TEA, prices.TEA, sorted(registry.HANDLERS), prices.total()
        """,
    "shop/__init__.py": "",
    "shop/tax.py": "RATE = 2\n",
    "shop/registry.py": """
        HANDLERS = {}
        def register(function):
            HANDLERS[function.__name__] = function
            return function
        """,
    "shop/prices.py": """
        from shop import tax
        from shop.registry import register
        __preserve__ = ["cart"]
        TEA = 3
        cart = ["pot"]
        class Tea: pass
        @register
        def total(): return TEA * tax.RATE
        """,
}
NAMES = ["web", "shop", "shop.tax", "shop.registry", "shop.prices"]
ASKED = (3, 3, ["total"], 6)

# The fault of the edit: the error, and the files that raise it.
BEGINNING = """
from shop import tax, registry
from shop.registry import register
import shop, json
__preserve__ = ["cart"]
TEA = 4
cart = []
tax.RATE
class Tea: pass
@register
def total(): return 0
@register
def another(): return 0
shop.new_attribute = 1
json.transfuse_was_here = 1
"""
FAULTS: dict[str, tuple[type[BaseException], dict[str, str]]] = {
    "syntax": (SyntaxError, {"shop/prices.py": "def total(:\n"}),
    "syntax in another of two": (
        SyntaxError,
        {"shop/prices.py": BEGINNING, "shop/tax.py": "RATE = (\n"},
    ),
    "no such module": (
        ModuleNotFoundError,
        {"shop/prices.py": BEGINNING + "import shop.nowhere\n"},
    ),
    "no such name": (ImportError, {"shop/prices.py": BEGINNING + "from shop.tax import NOTHING\n"}),
    "its own exception": (ZeroDivisionError, {"shop/prices.py": BEGINNING + "1/0\n"}),
    "SystemExit": (SystemExit, {"shop/prices.py": BEGINNING + "raise SystemExit(3)\n"}),
    "KeyboardInterrupt": (
        KeyboardInterrupt,
        {"shop/prices.py": BEGINNING + "raise KeyboardInterrupt\n"},
    ),
    "BaseException": (
        BaseException,
        {"shop/prices.py": BEGINNING + "raise BaseException('odd')\n"},
    ),
    "endless recursion": (RecursionError, {"shop/prices.py": BEGINNING + "def f(): f()\nf()\n"}),
    "hook": (
        KeyError,
        {"shop/prices.py": BEGINNING + "def __migrate__(previous): previous['no such']\n"},
    ),
    "hook that writes": (
        TypeError,
        {"shop/prices.py": BEGINNING + "def __migrate__(previous): previous['TEA'] = 9\n"},
    ),
    "an importer": (
        AttributeError,
        {
            "shop/prices.py": "TEA = 4\n",
            "shop/tax.py": "RATE = 3\n",
            "web.py": "from shop import prices\nfrom shop.prices import TEA\nprices.total\n",
        },
    ),
    "a new submodule": (
        ZeroDivisionError,
        {"shop/prices.py": BEGINNING + "import shop.new\n1/0\n", "shop/new.py": "VALUE = 1\n"},
    ),
    "inside a new submodule": (
        ZeroDivisionError,
        {"shop/prices.py": BEGINNING + "import shop.new\n", "shop/new.py": "1/0\n"},
    ),
    "special variable": (PolicyError, {"shop/prices.py": BEGINNING + "__reload__ = 'overlai'\n"}),
}


def state(tree: LiveTree) -> dict[str, object]:
    """Everything that must be the same object, or equal, afterwards."""
    found: dict[str, object] = {}
    for name in NAMES:
        module = tree.module(name)
        found[name] = (id(module), {key: id(value) for key, value in vars(module).items()})
        found[f"{name} in sys.modules"] = id(sys.modules[name])
    prices = tree.module("shop.prices")
    found["cart"] = (id(prices.cart), list(prices.cart))
    handlers = tree.module("shop.registry").HANDLERS
    found["handlers"] = (id(handlers), {key: id(value) for key, value in handlers.items()})
    found["class"] = {key: id(value) for key, value in vars(prices.Tea).items()}
    found["sys.modules"] = {key for key in sys.modules if key.split(".")[0] in ("shop", "web")}
    found["dir"] = dir(tree.module("shop"))
    found["sys.path"] = list(sys.path)
    found["json"] = {key: id(value) for key, value in vars(json).items()}
    found["builtins"] = {key: id(value) for key, value in vars(builtins).items() if key != "_"}
    found["generation"] = transfuse.status().generation
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_p4_the_current_generation_stays_as_it_was(tree: LiveTree, policy: str, fault: str) -> None:
    raised, edit = FAULTS[fault]
    tree.write(APPLICATION)
    tree.install(policy=policy)
    assert tree.module("web").ask() == ASKED
    before = state(tree)
    report = tree.update(edit)
    assert (report.outcome, isinstance(report.error, raised)) == ("refused", True), report.traceback
    assert before == state(tree)
    assert tree.module("web").ask() == ASKED
    # And the same once more: what was refused left nothing behind that a second time trips over.
    assert transfuse.update().outcome == "refused"
    assert before == state(tree)


@pytest.mark.parametrize("fault", FAULTS)
def test_p4_the_repair_is_published(tree: LiveTree, policy: str, fault: str) -> None:
    _, edit = FAULTS[fault]
    tree.write(APPLICATION)
    tree.install(policy=policy)
    tree.module("web")
    assert tree.update(edit).outcome == "refused"
    new = set(edit) - set(APPLICATION)
    tree.delete(*new)
    repaired = APPLICATION["shop/prices.py"].replace("TEA = 3", "TEA = 5")
    tree.published({**APPLICATION, "shop/prices.py": repaired})
    assert tree.module("web").ask() == (5, 5, ["total"], 10)
    assert not hasattr(tree.module("shop"), "new")
    assert transfuse.status().failing is None


@pytest.mark.parametrize("watch", [False, True])
def test_p4_what_was_refused_and_is_taken_back_fails_no_longer(tree: LiveTree, watch: bool) -> None:
    tree.write({"web.py": "N = 1\n"})
    tree.install(watch=watch)
    tree.module("web")
    tree.write({"web.py": "N = (\n"})
    if watch:
        tree.wait(lambda report: report.outcome == "refused")
    else:
        assert transfuse.update().outcome == "refused"
    failing = transfuse.status().failing
    assert failing is not None
    assert failing.to_json()["place"] == (str(tree.root / "web.py"), 1)
    assert "  failing      web.py, line 1: SyntaxError: '(' was never closed" in lines()
    tree.write({"web.py": "N = 1\n"})
    if not watch:
        assert transfuse.update().outcome == "unchanged"
    ends = time.monotonic() + CAP
    while transfuse.status().failing is not None and time.monotonic() < ends:
        time.sleep(0.01)  # nothing is reported of an update that has nothing to do
    assert transfuse.status().failing is None
    assert not any("failing" in line for line in lines())


def lines() -> list[str]:
    """What `transfuse status` shows of this process."""
    return status_lines({**transfuse.status().to_json(), "pid": 1, "process": "", "view": ""})


def test_p4_a_deleted_file_that_is_still_imported(tree: LiveTree, policy: str) -> None:
    tree.write(APPLICATION)
    tree.install(policy=policy)
    assert tree.module("web").ask() == ASKED
    before = state(tree)
    tree.delete("shop/tax.py")
    report = transfuse.update()
    assert (report.outcome, isinstance(report.error, ImportError)) == ("refused", True)
    assert before == state(tree)
    assert tree.module("web").ask() == ASKED


def test_p4_the_report_has_the_users_frames_and_no_other(tree: LiveTree) -> None:
    tree.write(APPLICATION)
    tree.install()
    tree.module("web")
    served = transfuse.status().generation
    report = tree.update(
        {
            "shop/prices.py": "from shop import tax\nTEA = 4\n",
            "shop/tax.py": "def divide(number):\n    return number / 0\nRATE = divide(1)\n",
        }
    )
    lines = [line.strip() for line in report.traceback.splitlines()]
    frames = [line for line in lines if line.startswith("File ")]
    web, prices, tax = (tree.root / name for name in ("web.py", "shop/prices.py", "shop/tax.py"))
    assert [
        f'File "{web}", line 3, in <module>',
        f'File "{prices}", line 1, in <module>',
        f'File "{tax}", line 3, in <module>',
        f'File "{tax}", line 2, in divide',
    ] == frames
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "RATE = divide(1)" in lines
    with pytest.raises(UpdateRefused, match=f"still serving generation {served}") as refused:
        report.check()
    assert refused.value.__cause__ is report.error


def test_p4_an_importer_that_breaks_is_named(tree: LiveTree) -> None:
    tree.write(APPLICATION)
    tree.install()
    tree.module("web")
    report = tree.update({"shop/prices.py": "COFFEE = 4\n"})
    frames = [line.strip() for line in report.traceback.splitlines() if "File " in line]
    assert [f'File "{tree.root / "web.py"}", line 4, in <module>'] == frames
    assert isinstance(report.error, ImportError)


def test_p4_what_was_refused_is_let_go_of(
    tree: LiveTree, policy: str, outside: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "transfuse")  # pytest would keep the error with its frames
    outside.seen = lambda kind: outside.ran.append(weakref.ref(kind))
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy)
    tree.module("prices")
    tree.update({"prices.py": "import outside\nclass Tea: pass\noutside.seen(Tea)\n1/0\n"})
    tree.published({"prices.py": "TEA = 4\n"})
    tree.reports.clear()
    gc.collect()
    assert [seen() for seen in outside.ran] == [None]


def test_p4_a_module_that_puts_something_else_in_its_place(tree: LiveTree, policy: str) -> None:
    source = """
        import sys
        class Settings: TEA = {}
        sys.modules[__name__] = Settings
        {}
        """
    tree.write({"settings.py": source.format(3, "")})
    tree.install(policy=policy)
    old: Any = tree.module("settings")
    shown = sys.modules["settings"]
    assert old.TEA == 3
    assert tree.update({"settings.py": source.format(4, "1/0")}).outcome == "refused"
    assert old is tree.module("settings")
    assert shown is sys.modules["settings"]
    tree.published({"settings.py": source.format(5, "")})
    new: Any = tree.module("settings")
    assert (new.TEA, sys.modules["settings"].TEA, old.TEA) == (5, 5, 3)
    assert not isinstance(new, ModuleType)
