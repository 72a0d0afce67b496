"""P2: the first use of a lazy import gives what the declaring module's generation has."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
import typing
from typing import Any

import pytest

import transfuse
from conftest import CAP
from support.lazy import needs_lazy_imports
from support.threads import Worker, together
from support.two_generations import each_finds_its_own, two_worlds

if typing.TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

pytestmark = needs_lazy_imports

PRICES = """
    TEA = @
    class Tea:
        PRICE = @
    """
# How live code can declare it, and how it uses what it declared.
WAYS = {
    "module": "lazy import prices\ndef ask(): return [prices.TEA]",
    "alias": "lazy import prices as p\ndef ask(): return [p.TEA]",
    "name": "lazy from prices import TEA\ndef ask(): return [TEA]",
    "class": "lazy from prices import Tea\ndef ask(): return [Tea.PRICE]",
    "two names": "lazy from prices import TEA, Tea\ndef ask(): return [TEA, Tea.PRICE]",
    "submodule": "lazy import pk.prices\ndef ask(): return [pk.prices.TEA]",
    "submodule alias": "lazy import pk.prices as p\ndef ask(): return [p.TEA]",
    "from package": "lazy from pk import prices\ndef ask(): return [prices.TEA]",
    "of submodule": "lazy from pk.prices import TEA\ndef ask(): return [TEA]",
    "nested": "if True:\n    lazy import prices\ndef ask(): return [prices.TEA]",
    "in a loop": "for _ in range(2):\n    lazy import prices\ndef ask(): return [prices.TEA]",
    "attribute": "lazy import prices\nimport sys\n"
    "def ask(): return [getattr(sys.modules['web'], 'prices').TEA]",
    "resolve": "lazy import prices\ndef ask(): return [globals()['prices'].resolve().TEA]"
    " if type(globals()['prices']).__name__ == 'lazy_import' else [prices.TEA]",
    "exec": "lazy import prices\ndef ask(): return [eval('prices.TEA', globals())]",
}


def program(declared: str, version: str = "# @\n") -> dict[str, str]:
    return {
        "prices.py": PRICES,
        "pk/__init__.py": "",
        "pk/prices.py": PRICES,
        "web.py": version + declared + "\n",
    }


@pytest.mark.parametrize("way", WAYS)
def test_p2_each_generation_finds_its_own(tree: LiveTree, way: str) -> None:
    each_finds_its_own(tree, program(WAYS[way]))


@pytest.mark.parametrize("way", WAYS)
def test_p2_old_code_that_uses_it_after_the_update_finds_its_own(tree: LiveTree, way: str) -> None:
    with two_worlds(tree, program(WAYS[way])):
        new = Worker(lambda: tree.module("web").ask()).result()
        old = tree.module("web").ask()
        assert ({1}, {2}) == (set(old), set(new))
        assert {1} == set(tree.module("web").ask())
    assert {2} == set(tree.module("web").ask())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", ["old", "new"])
def test_p2_a_shared_module_answers_by_who_asks(tree: LiveTree, way: str, first: str) -> None:
    # `web` is the same in both, has not used it yet, and so does not run again.
    with two_worlds(tree, program(WAYS[way], version="")):
        web = tree.module("web")
        asks: dict[str, Any] = {"old": web.ask, "new": lambda: Worker(web.ask).result()}
        second = "new" if first == "old" else "old"
        found = {first: set(asks[first]())}
        found[second] = set(asks[second]())
        assert {"old": {1}, "new": {2}} == found
        assert {"old": {1}, "new": {2}} == {who: set(ask()) for who, ask in asks.items()}
    assert {2} == set(tree.module("web").ask())
    # The generations agree: it is an ordinary name now.
    assert {2} == set(tree.module("web").ask())
    report = tree.published({"prices.py": "TEA = 3\nclass Tea: PRICE = 3\n"})
    tree.published({"pk/prices.py": "TEA = 3\n"})
    assert report.outcome == "published"
    assert {3} == set(tree.module("web").ask())


def test_p2_foreign_code_that_touches_it_first_decides_nothing(tree: LiveTree) -> None:
    with two_worlds(tree, program("lazy import prices\nlazy from prices import TEA")):
        web = importlib.import_module("web")
        assert web.prices.TEA == 1
        assert web.TEA == 1
        assert Worker(lambda: (web.prices.TEA, web.TEA)).result() == (2, 2)
        assert (web.prices.TEA, web.TEA) == (1, 1)


def test_p2_live_code_that_touches_a_foreign_lazy_import_decides_nothing(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"prices.py": PRICES, "web.py": "# @\nimport glue\ndef ask(): return [glue.prices.TEA]"}
    glue: Any = types.ModuleType("glue")
    monkeypatch.setitem(sys.modules, "glue", glue)
    with two_worlds(tree, files):
        exec("lazy import prices", glue.__dict__)
        assert tree.module("web").ask() == [1]
        assert Worker(lambda: tree.module("web").ask()).result() == [2]
        assert glue.prices is sys.modules["prices"]


def test_p2_a_star_import_takes_what_the_declaring_module_means(tree: LiveTree) -> None:
    files = program("lazy from prices import TEA") | {
        "star.py": "# @\nfrom web import *\ndef ask(): return [TEA]"
    }
    with two_worlds(tree, files):
        assert tree.module("star").ask() == [1]
        assert Worker(lambda: tree.module("star").ask()).result() == [2]


def test_p2_relative_and_circular(tree: LiveTree) -> None:
    files = {
        "pk/__init__.py": "lazy from . import one\n",
        "pk/one.py": "# @\nlazy from .two import TWO\nlazy from . import two\nONE = @\n"
        "def ask(): return [TWO, two.TWO, two.ask()]",
        "pk/two.py": "lazy from .one import ONE\nlazy from . import one\nTWO = @\n"
        "def ask(): return ONE + one.ONE - @",
        "web.py": "# @\nlazy from pk import one\ndef ask(): return one.ask()",
    }
    each_finds_its_own(tree, files)


def test_p2_pickle_and_annotations_resolve_in_their_generation(tree: LiveTree) -> None:
    files = program(
        """
lazy from prices import Tea
import dataclasses, pickle, typing
class Pot:
    tea: Tea
def hints(): return typing.get_type_hints(Pot)["tea"].PRICE
def late():
    @dataclasses.dataclass
    class Cup:
        tea: Tea
    return dataclasses.fields(Cup)[0].type.PRICE
def pickled(): return pickle.loads(pickle.dumps(Tea)).PRICE
def ask(): return [hints(), late(), pickled()]
"""
    )
    each_finds_its_own(tree, files)


def test_p2_looking_without_using_resolves_nothing(tree: LiveTree, outside: Any) -> None:
    files = {
        "prices.py": "import outside\noutside.ran.append('prices')\nTEA = 1\n",
        "web.py": "lazy import prices\nlazy from prices import TEA\n"
        "def look(): return dir(), list(globals()), 'prices' in globals(), dict(globals())\n",
    }
    tree.write(files)
    tree.install()
    web = tree.module("web")
    web.look()
    dir(web)
    dict(vars(web))
    tree.published({"web.py": files["web.py"] + "# edited\n"})
    assert outside.ran == []
    assert tree.module("web").TEA == 1
    assert outside.ran == ["prices"]


def test_p1_threads_that_touch_it_at_once_execute_it_once(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "prices.py": "import outside, time\ntime.sleep(0.05)\noutside.ran.append(1)\nTEA = 1\n",
            "web.py": "lazy import prices\nlazy from prices import TEA\n"
            "def ask(): return prices.TEA + TEA",
        }
    )
    tree.install()
    ask = tree.module("web").ask
    assert together(8, lambda _: ask()) == [2] * 8
    assert outside.ran == [1]


def test_p11_a_patched_entry_of_sys_modules_is_what_is_found(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.write(
        {"prices.py": "TEA = 1", "web.py": "lazy import prices\ndef ask(): return prices.TEA"}
    )
    tree.install()
    web = tree.module("web")
    fake: Any = types.ModuleType("prices")
    fake.TEA = 9
    monkeypatch.setitem(sys.modules, "prices", fake)
    assert web.ask() == 9


def test_p11_a_filter_of_the_program_decides(tree: LiveTree, outside: Any) -> None:
    asked: list[tuple[Any, ...]] = []
    tree.write(
        {
            "prices.py": "import outside\noutside.ran.append('prices')\nTEA = 1",
            "rates.py": "import outside\noutside.ran.append('rates')\nTAX = 2",
            "web.py": "# @\nlazy import prices, rates\nlazy from rates import TAX\n"
            "def ask(): return prices.TEA, rates.TAX, TAX",
        }
    )
    tree.install()

    def eager(*about: Any) -> bool:
        asked.append(about)
        return bool(about[1] != "prices")

    sys.set_lazy_imports_filter(eager)  # type: ignore[attr-defined, unused-ignore]
    try:
        web = tree.module("web")
    finally:
        sys.set_lazy_imports_filter(None)  # type: ignore[attr-defined, unused-ignore]
    assert outside.ran == ["prices"]
    live = [about for about in asked if about[0] == "web"]
    assert live == [("web", "prices", None), ("web", "rates", None), ("web", "rates", ("TAX",))]
    assert web.ask() == (1, 2, 2)
    tree.published({"prices.py": "TEA = 5"})
    assert tree.module("web").ask() == (5, 2, 2)


def test_p2_all_ordinary_statements_may_be_lazy(tree: LiveTree, outside: Any) -> None:
    sys.set_lazy_imports("all")  # type: ignore[attr-defined, unused-ignore]
    try:
        files = {
            "prices.py": "import outside\noutside.ran.append(@)\nTEA = @",
            "web.py": "# @\nimport json, prices\nfrom prices import TEA\n"
            "def ask(): return [prices.TEA, TEA, json.loads('@')]",
        }
        tree.write(files)
        each_finds_its_own(tree, files)
        assert outside.ran == [1, 2]
    finally:
        sys.set_lazy_imports("normal")  # type: ignore[attr-defined, unused-ignore]


def test_p2_reload_makes_it_lazy_again(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "prices.py": "import outside\noutside.ran.append('prices')\nTEA = 1",
            "web.py": "lazy import prices\ndef ask(): return prices.TEA",
        }
    )
    tree.install()
    web = tree.module("web")
    assert web.ask() == 1
    again = importlib.reload(web)
    assert type(vars(sys.modules["web"])["prices"]).__name__ == "lazy_import"
    assert again.ask() == 1
    assert outside.ran == ["prices"]


def test_p2_after_uninstall_it_is_an_ordinary_lazy_import(tree: LiveTree) -> None:
    tree.write(
        {"prices.py": "TEA = 1", "web.py": "lazy import prices\ndef ask(): return prices.TEA"}
    )
    tree.install()
    web = tree.module("web")
    sys.path.insert(0, str(tree.root))
    try:
        transfuse.uninstall()
        assert web.ask() == 1
    finally:
        sys.path.remove(str(tree.root))


def test_p11_a_program_that_has_all_imports_be_lazy(tmp_path: Path) -> None:
    """Transfuse's own imports are not lazy: what the program patches does not reach them."""
    (tmp_path / "prices.py").write_text("print('prices')\nTEA = 1\n")
    (tmp_path / "web.py").write_text("import json, prices\ndef ask(): return prices.TEA\n")
    program = f"""
import sys, transfuse
transfuse.install(roots=[{str(tmp_path)!r}], watch=False)
own = [m for n, m in sys.modules.items() if n.partition(".")[0] == "transfuse"]
lazy = [k for m in own for k, v in vars(m).items() if type(v).__name__ == "lazy_import"]
print(lazy)
import web
web = transfuse.import_module("web")
print("loaded")
print(web.ask(), type(vars(web)["json"]).__name__)
print(transfuse.update().outcome)
"""
    command = [sys.executable, "-X", "lazy_imports=all", "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=CAP, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split("\n")[:4] == ["[]", "loaded", "prices", "1 lazy_import"]
