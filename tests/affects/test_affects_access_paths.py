"""However a module's code gets at another one's state, what it changes there is seen.

Each shape is a way to write `pk.add(1)`. Its counterpart, the same with a call that changes
nothing, drags nothing in.
"""

from __future__ import annotations

from typing import Any

import pytest

from conftest import LiveTree, ran

PK = "R = []\ndef add(x): R.append(x)\ndef calm(x): return x\ndef show(): return R\n"

SHAPES = {
    "the top package of an import": "import pk.sub\npk.ADD(1)\n",
    "the same, in a class body": "import pk.sub\nclass C:\n    pk.ADD(1)\n",
    "the package in between": "import over.pk.sub\nover.pk.ADD(1)\n",
    "import in a class body": "class C:\n    import pk\n    pk.ADD(1)\n",
    "submodule, from its parent": "from over import pk\npk.ADD(1)\n",
    "list comprehension": "import pk\n[pk.ADD(x) for x in (1,)]\n",
    "set comprehension": "import pk\n{pk.ADD(x) for x in (1,)}\n",
    "dict comprehension": "import pk\n{x: pk.ADD(x) for x in (1,)}\n",
    "generator expression": "import pk\nlist(pk.ADD(x) for x in (1,))\n",
    "in a class body": "import pk\nclass C:\n    list(pk.ADD(x) for x in (1,))\n",
    "in each other": "import pk\n[[pk.ADD(x) for x in (y,)] for y in (1,)]\n",
    "lambda": "import pk\n(lambda: pk.ADD(1))()\n",
    "lambda that takes it": "from pk import ADD\n(lambda: ADD(1))()\n",
    "own import": "def s():\n    import pk\n    pk.ADD(1)\ns()\n",
    "own import of a name": "def s():\n    from pk import ADD\n    ADD(1)\ns()\n",
    "own import of a submodule": "def s():\n    import pk.sub\n    pk.ADD(1)\ns()\n",
    "own import, from its parent": "def s():\n    from over import pk\n    pk.ADD(1)\ns()\n",
    "own import in a decorator": (
        "def d(f):\n    from pk import ADD\n    ADD(1)\n    return f\n@d\ndef h(): pass\n"
    ),
    "own import in a method": (
        "class S:\n    def go(self):\n        import pk\n        pk.ADD(1)\nS().go()\n"
    ),
    "own import in __init_subclass__": (
        "class B:\n    def __init_subclass__(cls):\n        import pk\n        pk.ADD(1)\n"
        "class C(B): pass\n"
    ),
    "own import by a call": (
        "def s():\n    import importlib\n    importlib.import_module('pk').ADD(1)\ns()\n"
    ),
    "own import with a closure": (
        "def s():\n    import pk\n    def inner(): pk.ADD(1)\n    inner()\ns()\n"
    ),
    "own import, run by another's decorator": (
        "from runs import now\n@now\ndef s():\n    import pk\n    pk.ADD(1)\n"
    ),
    "method that its class body runs": ("import pk\nclass C:\n    def go(): pk.ADD(1)\n    go()\n"),
    "exec": "exec('import pk; pk.ADD(1)')\n",
    "exec of what the module imported": "import pk\nexec('pk.ADD(1)')\n",
    "eval": "import pk\neval('pk.ADD(1)')\n",
    "exec elsewhere": "exec('import pk; pk.ADD(1)', {})\n",
    "sys.modules": "import sys\nsys.modules['pk'].ADD(1)\n",
    "sys.modules, in a function": "import sys\ndef s(): sys.modules['pk'].ADD(1)\ns()\n",
    "sys.modules.get": "import sys\nvars(sys.modules.get('pk'))['ADD'](1)\n",
    "transfuse": "import transfuse\ntransfuse.import_module('pk').ADD(1)\n",
    "__import__": "__import__('pk').ADD(1)\n",
    "foreign code that has it": "import foreign\nforeign.call('ADD')\n",
}
WHERE = dict.fromkeys(
    ["the package in between", "own import, from its parent", "submodule, from its parent"],
    "over.pk",
)
# The code does not show which parts of `pk` it uses.
HIDDEN = {
    *("exec", "exec of what the module imported", "eval", "exec elsewhere"),
    *("sys.modules.get", "__import__"),
}


def write(tree: LiveTree, plug: str) -> None:
    tree.write(
        {
            "pk/__init__.py": PK,
            "pk/sub.py": "",
            "over/__init__.py": "",
            "over/pk/__init__.py": PK,
            "over/pk/sub.py": "",
            "runs.py": "def now(f):\n    f()\n    return f\n",
            "aside.py": "import pk.sub, over.pk.sub, runs\n",
            "plug.py": plug,
        }
    )


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A foreign module that has got hold of a live one, whenever that was."""
    (tmp_path / "foreign.py").write_text(
        "import sys\ndef call(name): getattr(sys.modules['pk'], name)(1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("shape", SHAPES)
def test_p4_p5_what_is_changed_is_seen(tree: LiveTree, shape: str) -> None:
    plug, where = SHAPES[shape].replace("ADD", "add"), WHERE.get(shape, "pk")
    write(tree, plug)
    tree.install(policy="fresh")
    tree.module(where)
    tree.module("plug")
    served = tree.module(where)
    assert served.R == [1]
    assert tree.update({"plug.py": plug + "1/0\n"}).outcome == "refused"
    assert served.R == [1]
    assert tree.module(where) is served
    tree.published({"plug.py": plug + "# 3\n"})
    assert tree.module(where).R == [1]
    assert served.R == [1]


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("shape", SHAPES)
def test_p4_p5_what_is_new_is_in_doubt_before_it_runs(tree: LiveTree, shape: str) -> None:
    plug, where = SHAPES[shape].replace("ADD", "add"), WHERE.get(shape, "pk")
    write(tree, "")
    tree.install(policy="fresh")
    tree.module(where)
    tree.module("plug")
    served = tree.module(where)
    assert tree.update({"plug.py": plug + "1/0\n"}).outcome == "refused"
    assert served.R == []
    tree.published({"plug.py": plug})
    assert tree.module(where).R == [1]
    assert served.R == []


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("shape", SHAPES)
def test_p12_the_same_without_a_trace_drags_nothing_in(tree: LiveTree, shape: str) -> None:
    plug = SHAPES[shape].replace("ADD", "calm")
    write(tree, plug)
    tree.install(policy="fresh")
    tree.module("aside")
    tree.module("plug")
    for number in (2, 3):
        assert ran(tree.published({"plug.py": f"{plug}# {number}\n"})) == ["plug"]


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("shape", sorted(set(SHAPES) - HIDDEN))
def test_p12_what_is_new_and_changes_nothing_is_not_in_doubt(tree: LiveTree, shape: str) -> None:
    plug = SHAPES[shape].replace("ADD", "calm")
    write(tree, "")
    tree.install(policy="fresh")
    tree.module("aside")
    tree.module("plug")
    assert ran(tree.published({"plug.py": plug})) == ["plug"]


def test_p12_what_foreign_code_took_before_is_in_no_doubt(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """As a framework does that takes classes by their paths when an application is made."""
    (tmp_path / "framework.py").write_text(
        "from importlib import import_module\n"
        "def make(path):\n"
        "    module, _, name = path.rpartition('.')\n"
        "    return getattr(import_module(module), name)()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    tree.write(
        {
            "ware.py": (
                "SEEN = []\nclass Ware:\n    def __call__(self):\n        SEEN.append(1)\n"
                "class Other(Ware):\n    def __init__(self):\n        self()\n"
            ),
            "app.py": "import framework\napp = framework.make('ware.Ware')\n",
        }
    )
    tree.install(policy="fresh")
    served = tree.module("app").app
    for number in (1, 2):
        report = tree.published({"app.py": (tree.root / "app.py").read_text() + f"# {number}\n"})
        assert ran(report) == ["app"]
    served()
    tree.published({"app.py": "import framework\napp = framework.make('ware.Other')\n"})
    assert tree.module("ware").SEEN == [1]
    tree.published({"app.py": "import framework\napp = framework.make('ware.Other')\n# 2\n"})
    assert tree.module("ware").SEEN == [1]


def test_p4_what_others_do_with_a_whole_module_says_nothing(tree: LiveTree) -> None:
    tree.write(
        {
            "pk.py": PK,
            "other.py": "import pk\nSAME = pk\n",
            "plug.py": "",
            "app.py": "import other, plug\n",
        }
    )
    tree.install(policy="fresh")
    tree.module("app")
    served = tree.module("pk")
    assert tree.update({"plug.py": "exec('import pk; pk.add(1)')\n1/0\n"}).outcome == "refused"
    assert served.R == []


@pytest.mark.parametrize("text", ["import other", "import other; other", "from other import SEEN"])
def test_p5_a_registration_before_text_that_imports(tree: LiveTree, text: str) -> None:
    """The text is other code of the same module, which has done nothing but import so far."""
    plugin = "import registry\nregistry.ALL.append({0})\nexec({1!r})\n"
    tree.write(
        {
            "registry.py": "ALL = []\n",
            "other.py": "import registry\nSEEN = registry.ALL[:]\n",
            "plugin.py": plugin.format(1, text),
        }
    )
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": plugin.format(2, text)})
    assert tree.module("registry").ALL == tree.module("other").SEEN == [2]
