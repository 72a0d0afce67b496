"""The value of a submodule's name in its package when only one of the two runs again.

In a fresh process a submodule becomes an attribute of its package when it has been loaded, and
hides what the package called so before.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

MAIN = "import pk\nimport pk.thing as direct\n"
THING = {"pk/thing.py": "def thing(): pass\n"}

# Each has several states of the files. The question is the same in all.
STORIES = {
    "no longer shadows": [
        {"main.py": "import pk.thing\n", "pk/__init__.py": "from .thing import thing\n", **THING},
        {"pk/__init__.py": ""},
        {"pk/thing.py": "def thing(): return 2\n"},
    ],
    "shadows from now on": [
        {"main.py": "import pk.thing\n", "pk/__init__.py": "", **THING},
        {"pk/__init__.py": "thing = 5\n"},
        {"pk/__init__.py": ""},
    ],
    "shadows by an import": [
        {"main.py": "import pk.thing\n", "pk/__init__.py": "", **THING},
        {"pk/__init__.py": "from .thing import thing\n"},
        {"pk/__init__.py": "from . import thing\n"},
        {"pk/__init__.py": "thing = 5\nfrom . import thing\n"},
        {"pk/__init__.py": "from . import thing\nthing = 5\n"},
        {"pk/__init__.py": "thing = 5\nimport pk.thing\n"},
    ],
    "it is no longer imported": [
        {"main.py": "import pk.thing\n", "pk/__init__.py": "", **THING},
        {"main.py": "import pk\n", "pk/__init__.py": "thing = 5\n"},
        {"main.py": "import pk\nimport pk.thing\n"},
    ],
    "it is no longer imported, and it changes": [
        {"main.py": "import pk.thing\n", "pk/__init__.py": "", **THING},
        {"main.py": "import pk\n", "pk/__init__.py": "thing = 5\n", "pk/thing.py": "two = 2\n"},
        {"main.py": "import pk.thing\n"},
    ],
    "both change": [
        {"main.py": MAIN, "pk/__init__.py": "from .thing import thing\n", **THING},
        {"pk/__init__.py": "thing = 5\n", "pk/thing.py": "two = 2\n"},
    ],
    "imported by one that does not run again": [
        {
            "main.py": "import pk\nimport other\n",
            "other.py": "from pk.thing import thing\n",
            "pk/__init__.py": "",
            **THING,
        },
        {"pk/__init__.py": "thing = 5\n"},
    ],
    "imported by one that the package imports": [
        {
            "main.py": "import pk\n",
            "other.py": "from pk.thing import thing\n",
            "pk/__init__.py": "import other\n",
            **THING,
        },
        {"pk/__init__.py": "import other\nthing = 5\n"},
        {"pk/__init__.py": "thing = 5\nimport other\n"},
        {"pk/__init__.py": "import other\nseen = thing.thing.__name__\n"},
    ],
    "imported by what the package calls": [
        {
            "main.py": "import pk\n",
            "other.py": "def load():\n    import pk.thing\n    return pk.thing.thing\n",
            "pk/__init__.py": "import other\nloaded = other.load().__name__\n",
            **THING,
        },
        {"pk/__init__.py": "import other\nthing = 5\nloaded = other.load().__name__\n"},
        {"pk/__init__.py": "import other\nloaded = other.load().__name__\nthing = 5\n"},
    ],
    "a package below a package": [
        {
            "main.py": "import pk.thing.deep\n",
            "pk/__init__.py": "",
            "pk/thing/__init__.py": "",
            "pk/thing/deep.py": "",
        },
        {"pk/__init__.py": "thing = 5\n"},
        {"pk/__init__.py": "", "pk/thing/__init__.py": "deep = 5\n"},
    ],
    "by a star": [
        {"main.py": "from pk import *\n", "pk/__init__.py": "__all__ = ['thing']\n", **THING},
        {"pk/__init__.py": "__all__ = ['thing']\nthing = 5\n"},
        {"pk/__init__.py": "from .thing import *\n__all__ = ['thing']\n"},
        {"pk/__init__.py": "__all__ = ['thing']\n"},
    ],
}

LOOK = """
def kind(value):
    return "module" if isinstance(value, type(__import__("sys"))) else type(value).__name__

def look():
    import sys, main
    pk = sys.modules["pk"]
    told = {}
    for name in ("thing", "seen", "loaded"):
        value = getattr(pk, name, "absent")
        told[name] = [kind(value), getattr(value, "__name__", value)]
    told["dir"] = "thing" in dir(pk)
    told["main"] = [kind(getattr(main, name, None)) for name in ("direct", "thing")]
    return told
"""


def fresh(tree: LiveTree) -> object:
    """Return the answer of a process that has never seen another state of the files."""
    code = LOOK + "import json\nprint(json.dumps(look()))"
    run = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=tree.root,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("policy", ["fresh", "overlay"])
@pytest.mark.parametrize("story", STORIES)
def test_p5_a_package_calls_a_submodule_what_a_fresh_process_would(
    tree: LiveTree, story: str, policy: str
) -> None:
    first, *edits = STORIES[story]
    tree.write(first)
    tree.install(policy=policy)
    tree.module("main")
    looking: dict[str, object] = {}
    exec(LOOK, looking)
    look = looking["look"]
    assert callable(look)
    assert look() == fresh(tree)
    for edit in edits:
        tree.published(edit)
        seen = fresh(tree)
        assert look() == seen, edit
        with transfuse.pin():
            assert look() == seen, edit


def test_p2_each_generation_keeps_its_own_name(tree: LiveTree, policy: str) -> None:
    tree.write(STORIES["no longer shadows"][0])
    tree.install(policy=policy)
    before = tree.module("main").pk
    with transfuse.pin():
        tree.published({"pk/__init__.py": ""})
        assert type(before.thing).__name__ == "function"
        assert type(tree.module("pk").thing).__name__ == "function"
    assert isinstance(tree.module("pk").thing, ModuleType)
    assert type(before.thing).__name__ == "function"


def test_p5_what_foreign_code_imports_is_bound_by_that(tree: LiveTree, policy: str) -> None:
    """Its importer is not known to run again, so only the next import can tell."""
    tree.write({"pk/__init__.py": "", **THING})
    tree.install(policy=policy)
    assert tree.module("pk.thing") is tree.module("pk").thing
    tree.published({"pk/__init__.py": "thing = 5\n"})
    assert tree.module("pk").thing == 5
    assert tree.module("pk.thing") is tree.module("pk").thing
