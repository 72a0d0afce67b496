"""A fact about a module's own objects that is stored with them is no effect; a registration is.

Each memo has a counterpart in the same place that leads to something of the running module, or says
something of it.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from conftest import LiveTree, ran
from memo_library import FOREIGN

if TYPE_CHECKING:
    from pathlib import Path

OWNER = "from foreign import App, Model, Param\n"
# The owner, what is only computed about it, and what is registered with it.
RULES = {
    "lru_cache": (
        "import functools\n@functools.lru_cache\ndef X(n): return [n]\n",
        "owner.X(1)[0]",
        "owner.X(1).append(1)",
    ),
    "cached_property": (
        OWNER + "X = Param()\n",
        "owner.X.schema",
        "owner.X.schema = lambda: 1",
    ),
    "cached_property of a live class": (
        "import functools\nclass C:\n    @functools.cached_property\n    def x(self): return [1]\n"
        "X = C()\n",
        "owner.X.x",
        "owner.X.x.append(2)",
    ),
    "attribute of a default": (
        OWNER + "def X(size=Param()): pass\n",
        "foreign.sign(owner.X)",
        "owner.X.__defaults__[0].alias = 'mine'",
    ),
    "dict of a default": (
        OWNER + "def X(size=Param()): pass\n",
        "foreign.sign(owner.X)",
        "owner.X.__defaults__[0].asked['mine'] = lambda: 1",
    ),
    "field of a model": (
        OWNER + "class X(Model): pass\n",
        "foreign.rebuild(owner.X)",
        "owner.X.fields['size'].validate = lambda: 1",
    ),
    "special name of a class": (
        OWNER + "class X(Model): pass\n",
        "foreign.rebuild(owner.X)",
        "class Mine: pass\nforeign.rebuild(owner.X, Mine)",
    ),
    "cached_property under a special name": (
        OWNER + "class X(Model): pass\n",
        "owner.X.__lazy__.schema\nclass Mine: schema = 1",
        "owner.X.__lazy__.schema = lambda: 1",
    ),
    "how a library sets a field": (
        OWNER + "class X(Model): pass\n",
        "owner.X().size = 1",
        "owner.X.__setters__['size'] = lambda *given: None",
    ),
    "special name of a class, that live code sets": (
        "class X:\n    __count__ = 0\n    def __init_subclass__(cls): X.__count__ += 1\n",
        "owner.X()",
        "class Mine(owner.X): pass",
    ),
    "dict under a special name of a class, by a name that its code sets": (
        "from foreign import Fast\nclass X(Fast):\n    def __init__(self): self.size = 1\n",
        "owner.X()",
        "owner.X().alias = 1",
    ),
    "part of an application": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.describe('mine')",
    ),
    # From 3.14 on small numbers, and from 3.15 on some texts are in the instructions.
    "part of an application, a small number": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.describe(7)",
    ),
    "part of an application, a negative number": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.describe(-1)",
    ),
    "part of an application, no text": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.describe('')",
    ),
    "part of an application, a flag": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.router.visited = True",
    ),
    "an application": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.configure(debug=True)",
    ),
    "dict of an application": (
        OWNER + "X = App()\n",
        "foreign.visit(owner.X)",
        "owner.X.parts['a'] = foreign.Param()",
    ),
    "signature": (
        "def X(a: int): return a\n",
        "import inspect\ninspect.signature(owner.X)",
        "import inspect\nowner.X.__signature__ = inspect.signature(lambda b: b)",
    ),
    "abstract base": (
        "import abc\nclass X(abc.ABC): pass\nSEEN = []\n",
        "isinstance(1, owner.X)",
        "owner.SEEN.append(isinstance(1, owner.X))",
    ),
    "path": (
        "import pathlib\nX = pathlib.Path('a')\nALL = [X]\n",
        "str(owner.X), hash(owner.X), owner.X.parts",
        "owner.ALL.append(owner.X)",
    ),
    "generic alias": (
        "from typing import Optional\nX = int | None\nY = Optional[int]\nALL = {}\n",
        "owner.X.__parameters__, owner.Y.__parameters__",
        "owner.ALL[owner.X] = owner.Y",
    ),
    "logger": (
        "import logging\nX = logging.getLogger('memos')\nALL = []\n",
        "owner.X.isEnabledFor(10)",
        "owner.ALL.append(owner.X.name)",
    ),
    "value that is set to what it was": (
        "X = {'a': 'b', 'n': 1.5}\n",
        "owner.X['a'] = ''.join(['b'])\nowner.X.update(n=float('1.5'))",
        "owner.X.update(n=float('2.5'))",
    ),
    "list in another order": (
        "X = [1, 2]\n",
        "owner.X.sort()",
        "owner.X.reverse()",
    ),
    "instance with other values": (
        "import functools\nclass C:\n    def __init__(self): self.a, self.b = [1], {2: 3}\n"
        "    @functools.cached_property\n    def x(self): return [1]\nX = C()\n",
        "owner.X.x",
        "owner.X.c = [1]",
    ),
    "attributes that are looked at as a dict": (
        "class C:\n    def __init__(self): self.a, self.b = [1], {2: 3}\nX = C()\n",
        "sorted(vars(owner.X))",
        "vars(owner.X)['c'] = [1]",
    ),
    "annotations": (
        "class X:\n    a: int = 1\n    def f(self, b: int): pass\nclass Y: pass\nx: int = 1\n"
        "ALL = []\n",
        "import typing\n"
        "for each in (owner, owner.X, owner.Y, owner.X.f):\n"
        "    each.__annotations__, getattr(each, '__annotate__', 0), typing.get_type_hints(each)",
        "owner.ALL.append(owner.X.__annotations__)",
    ),
    "fields of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass X:\n    a: int = 1\n",
        "import dataclasses\ndataclasses.fields(owner.X), owner.X() == owner.X(2)",
        "owner.X.a = 2",
    ),
    "members that are made of others": (
        "import enum\nclass X(enum.Flag):\n    A = 1\n    B = 2\n    C = 4\n",
        "owner.X.A | owner.X.B, ~owner.X.A, owner.X(7) & owner.X.C",
        "owner.X.A.handler = lambda: 1",
    ),
    "members that are numbers, too": (
        "import enum\nclass X(enum.IntFlag):\n    A = 1\n    B = 2\n    C = 4\n",
        "owner.X.A | owner.X.B, ~owner.X.A",
        "owner.X.notes = [lambda: 1]",
    ),
    "object of a foreign module": (
        "from foreign import shared\nALL = []\n",
        "foreign.visit(owner.shared)\nowner.shared.parts[1] = lambda: 1",
        "owner.ALL.append(owner.shared)",
    ),
    "protocol": (
        "import typing\n@typing.runtime_checkable\nclass X(typing.Protocol):\n    a: int\n"
        "    def f(self): ...\n",
        "isinstance(1, owner.X)",
        "owner.X.handlers = [1]",
    ),
}
if sys.version_info >= (3, 12):
    RULES |= {
        # Both are evaluated when they are first asked for, and keep the result.
        "type alias": (
            "type X = list[int]\nALL = []\n",
            "owner.X.__value__, owner.X.__type_params__",
            "owner.ALL.append(owner.X.__value__)",
        ),
        "type parameter": (
            "class X[T: int]:\n    def f[S: (int, str), **P, *Q](self, a: S): pass\nALL = []\n",
            "owner.X.__type_params__[0].__bound__, owner.X.f.__type_params__[0].__constraints__",
            "owner.ALL.extend(owner.X.__type_params__)",
        ),
    }


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "foreign.py").write_text(textwrap.dedent(FOREIGN))
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("rule", RULES)
def test_p12_a_memo_drags_nothing_in(tree: LiveTree, rule: str) -> None:
    owner, memo, _ = RULES[rule]
    plug = f"import foreign, owner\n{memo}\n"
    tree.write({"owner.py": owner, "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    for number in (2, 3):
        assert ran(tree.published({"plug.py": f"{plug}# {number}\n"})) == ["plug"]


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("rule", RULES)
def test_p5_a_registration_in_the_same_place_is_an_effect(tree: LiveTree, rule: str) -> None:
    owner, _, registration = RULES[rule]
    plug = f"import foreign, owner\n{registration}\n"
    tree.write({"owner.py": owner, "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    assert ran(tree.published({"plug.py": f"{plug}# 2\n"})) == ["owner", "plug"]


def test_p12_an_annotation_at_module_level_runs_no_function(tree: LiveTree) -> None:
    """From 3.14 on annotations are counted in a name of the module's own."""
    plug = "import registry\nVALUE: int = 1\ndef later(): registry.register(later)\n"
    tree.write({"registry.py": REGISTRY, "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    tree.write({"registry.py": REGISTRY + "# 2\n"})
    assert "registry" in ran(tree.published({}))
    assert ran(tree.published({"plug.py": plug + "# 2\n"})) == ["plug"]


PLUG = "from registry import register\n@register\ndef one(): return 1\n"
REGISTRY = "HANDLERS = []\ndef register(f):\n    HANDLERS.append(f)\n    return f\n"


def test_p5_what_an_outer_module_registered_is_not_blamed_on_what_it_imports(
    tree: LiveTree,
) -> None:
    """`outer` registers, and only then imports `inner`, which uses the same registry."""
    inner = "import registry\nN = len(registry.HANDLERS)\n"
    tree.write(
        {
            "registry.py": REGISTRY,
            "inner.py": inner,
            "outer.py": PLUG + "import inner\n",
        }
    )
    tree.install(policy="fresh")
    tree.module("outer")
    assert ran(tree.published({"inner.py": inner + "# 2\n"})) == ["registry", "inner", "outer"]
    tree.write({"outer.py": PLUG + "N = 1\n"})
    tree.published({})
    assert ran(tree.published({"inner.py": inner + "# 3\n"})) in ([], ["inner"])


def test_p5_what_a_module_put_there_is_watched_too(tree: LiveTree) -> None:
    """`first` puts a list into the registry, `second` appends to that list."""
    second = "import registry\nregistry.LISTS['a'].append(2)\n"
    tree.write(
        {
            "registry.py": "LISTS = {}\n",
            "first.py": "import registry\nregistry.LISTS['a'] = [1]\n",
            "second.py": "import first\n" + second,
        }
    )
    tree.install(policy="fresh")
    tree.module("second")
    report = tree.published({"second.py": "import first\n" + second + "# 2\n"})
    assert ran(report) == ["registry", "first", "second"]
    assert tree.module("registry").LISTS == {"a": [1, 2]}


@pytest.mark.parametrize("size", [100, 30_000])
def test_p4_p5_a_registry_far_down_in_large_state(tree: LiveTree, size: int) -> None:
    store = (
        f"ROWS = [[number] for number in range({size})]\n"
        "class Node: pass\nroot = node = Node()\n"
        "for _ in range(40):\n    node.next = node = Node()\n"
        "node.handlers = []\n"
        "def on(f):\n    node.handlers.append(f)\n    return f\n"
    )
    plug = "import store\n@store.on\ndef one(): return 1\n"
    tree.write({"store.py": store, "plug.py": plug})
    tree.install(policy="fresh")
    tree.module("plug")
    served = tree.module("store").node.handlers
    assert tree.update({"plug.py": plug + "1/0\n"}).outcome == "refused"
    assert len(served) == 1
    assert ran(tree.published({"plug.py": plug + "# 2\n"})) == ["store", "plug"]
    assert len(served) == 1
    assert len(tree.module("store").node.handlers) == 1
