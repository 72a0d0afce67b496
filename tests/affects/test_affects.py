"""A module affects another when running its module-level code changes the other's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

import transfuse
from conftest import LiveTree, ran
from support.threads import Worker

if TYPE_CHECKING:
    from types import ModuleType

REGISTRY = """
    HANDLERS = {}
    def register(function):
        HANDLERS[function.__name__] = function
        return function
    """
APP = """
    from registry import HANDLERS
    import plugin
    def call(name): return HANDLERS[name]()
    """


def handlers(tree: LiveTree) -> dict[str, Any]:
    found: dict[str, Any] = tree.module("registry").HANDLERS
    return {name: function() for name, function in found.items()}


def registry(tree: LiveTree, policy: str, plugin: str) -> None:
    tree.write({"registry.py": REGISTRY, "plugin.py": plugin, "app.py": APP})
    tree.install(policy=policy)
    tree.module("app")


ONE = "from registry import register\n@register\ndef one(): return 1\n"
TWO = ONE + "@register\ndef two(): return 2\n"


def test_a_handler_that_changed(tree: LiveTree, policy: str) -> None:
    registry(tree, policy, ONE)
    report = tree.published({"plugin.py": ONE.replace("return 1", "return 11")})
    assert {"registry", "plugin", "app"} == set(ran(report))
    assert handlers(tree) == {"one": 11}
    assert tree.module("app").call("one") == 11


def test_a_handler_that_was_deleted(tree: LiveTree, policy: str) -> None:
    registry(tree, policy, TWO)
    assert handlers(tree) == {"one": 1, "two": 2}
    tree.published({"plugin.py": ONE})
    assert handlers(tree) == {"one": 1}
    with pytest.raises(KeyError):
        tree.module("app").call("two")


def test_a_handler_that_was_added(tree: LiveTree, policy: str) -> None:
    registry(tree, policy, ONE)
    tree.published({"plugin.py": TWO})
    assert handlers(tree) == {"one": 1, "two": 2}


def test_a_plugin_that_was_deleted_with_its_import(tree: LiveTree, policy: str) -> None:
    registry(tree, policy, TWO)
    tree.delete("plugin.py")
    tree.published({"app.py": APP.replace("import plugin", "")})
    assert handlers(tree) == {}


def test_a_plugin_that_is_new(tree: LiveTree, policy: str) -> None:
    registry(tree, policy, ONE)
    three = "from registry import register\n@register\ndef three(): return 3\n"
    tree.published({"more.py": three, "app.py": APP + "\n    import more\n"})
    assert handlers(tree) == {"one": 1, "three": 3}
    tree.published({"more.py": three.replace("three", "four")})
    assert handlers(tree) == {"one": 1, "four": 3}


def test_the_reason_is_told(tree: LiveTree) -> None:
    registry(tree, "overlay", ONE)
    report = tree.published({"plugin.py": TWO})
    reasons = {step.name: step.reason for step in report.ran}
    assert reasons["plugin"] == "changed"
    assert reasons["registry"] == "is changed by plugin when that runs"


@pytest.mark.parametrize("broken", ["", "1/0\n", "def (\n", "raise SystemExit\n"])
def test_the_one_in_use_is_never_touched(
    tree: LiveTree, policy: str, outside: Any, broken: str
) -> None:
    registry(tree, policy, ONE)
    module: ModuleType = tree.module("registry")
    table = module.HANDLERS
    before = (id(table), {name: id(value) for name, value in table.items()})

    def look() -> None:
        # A thread that runs no live code, in the middle of staging, after `two` was registered.
        served = Worker(lambda: tree.module("registry").HANDLERS).result()
        outside.ran.append((id(served), {name: id(value) for name, value in served.items()}))

    outside.look = look
    report = tree.update({"plugin.py": TWO + "import outside\noutside.look()\n" + broken})
    assert ("refused" if broken else "published") == report.outcome
    if "(" not in broken:
        assert outside.ran
    assert {repr(before)} >= {repr(seen) for seen in outside.ran}
    assert before == (id(table), {name: id(value) for name, value in table.items()})
    if broken:
        assert table is tree.module("registry").HANDLERS
        assert tree.module("app").call("one") == 1
    else:
        assert sorted(handlers(tree)) == ["one", "two"]


FLASK = {
    "main.py": "from flask import Flask\napp = Flask('shop')\n",
    "views.py": "from main import app\n"
    "@app.get('/')\ndef index(): return 'index 1'\n"
    "@app.get('/old')\ndef old(): return 'old'\n",
    "wsgi.py": "from main import app\nimport views\n",
}


def get(application: Any, path: str) -> tuple[str, bytes]:
    response = Client(application).get(path)
    return response.status, response.get_data()


def test_flask_routes_in_another_module(tree: LiveTree, policy: str) -> None:
    tree.write(FLASK)
    tree.install(policy=policy)
    application = transfuse.wsgi("wsgi:app")
    assert get(application, "/") == ("200 OK", b"index 1")
    # Changed.
    report = tree.published({"views.py": FLASK["views.py"].replace("index 1", "index 2")})
    assert {"main", "views", "wsgi"} == set(ran(report))
    assert get(application, "/") == ("200 OK", b"index 2")
    # Deleted.
    tree.published(
        {"views.py": "from main import app\n@app.get('/')\ndef index(): return 'index 3'\n"}
    )
    assert get(application, "/") == ("200 OK", b"index 3")
    assert get(application, "/old")[0] == "404 NOT FOUND"
    # Added, in a new module.
    tree.published(
        {
            "more.py": "from main import app\n@app.get('/more')\ndef more(): return 'more'\n",
            "wsgi.py": FLASK["wsgi.py"] + "import more\n",
        }
    )
    assert get(application, "/more") == ("200 OK", b"more")
    assert get(application, "/") == ("200 OK", b"index 3")
    # Refused.
    assert tree.update({"views.py": FLASK["views.py"] + "1/0\n"}).outcome == "refused"
    assert get(application, "/old")[0] == "404 NOT FOUND"
    assert get(application, "/") == ("200 OK", b"index 3")


def test_flask_blueprints(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "pages.py": "from flask import Blueprint\npages = Blueprint('pages', __name__)\n"
            "@pages.get('/')\ndef index(): return 'one'\n",
            "wsgi.py": "from flask import Flask\nfrom pages import pages\n"
            "app = Flask('shop')\napp.register_blueprint(pages)\n",
        }
    )
    tree.install(policy=policy)
    application = transfuse.wsgi("wsgi:app")
    assert get(application, "/") == ("200 OK", b"one")
    tree.published(
        {
            "pages.py": "from flask import Blueprint\npages = Blueprint('pages', __name__)\n"
            "@pages.get('/two')\ndef two(): return 'two'\n",
        }
    )
    assert get(application, "/two") == ("200 OK", b"two")
    assert get(application, "/")[0] == "404 NOT FOUND"


# Other ways of writing into another module's state: the affected module, and what an edit adds.
WAYS = {
    "__init_subclass__": (
        "SEEN = []\nclass Base:\n    def __init_subclass__(cls): SEEN.append(cls.__name__)\n",
        "from target import Base\nclass NAME(Base): pass\n",
    ),
    "metaclass": (
        "SEEN = []\nclass Meta(type):\n"
        "    def __init__(cls, *a):\n        super().__init__(*a)\n"
        "        SEEN.append(cls.__name__)\nclass Base(metaclass=Meta): pass\nSEEN.clear()\n",
        "from target import Base\nclass NAME(Base): pass\n",
    ),
    "a call": (
        "SEEN = []\ndef add(name): SEEN.append(name)\n",
        "import target\ntarget.add('NAME')\n",
    ),
    "a method of its list": ("SEEN = []\n", "from target import SEEN\nSEEN.append('NAME')\n"),
    "an assignment into its dict": (
        "TABLE = {}\ndef __getattr__(name):\n    if name == 'SEEN': return list(TABLE)\n"
        "    raise AttributeError(name)\n",
        "from target import TABLE\nTABLE['NAME'] = 1\n",
    ),
    "an attribute of its object": (
        "class Config: pass\nconfig = Config()\nconfig.names = ()\n"
        "def __getattr__(name):\n    if name == 'SEEN': return list(config.names)\n"
        "    raise AttributeError(name)\n",
        "from target import config\nconfig.names += ('NAME',)\n",
    ),
    "a global of its": (
        "SEEN = []\n",
        "import target\ntarget.SEEN = [*target.SEEN, 'NAME']\n",
    ),
    "singledispatch": (
        "from functools import singledispatch\n@singledispatch\ndef show(x): return 'any'\n"
        "def __getattr__(name):\n    if name == 'SEEN':\n"
        "        return [t.__name__ for t in show.registry if t is not object]\n"
        "    raise AttributeError(name)\n",
        "from target import show\nclass NAME: pass\n@show.register\ndef _(x: NAME): return 'it'\n",
    ),
    "inside a function that runs": (
        "SEEN = []\ndef add(name): SEEN.append(name)\n",
        "import target\ndef set_up():\n    target.add('NAME')\nset_up()\n",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_after_an_edit_there_is_what_a_fresh_process_has(
    tree: LiveTree, policy: str, way: str
) -> None:
    target, writer = WAYS[way]
    if policy == "overlay" and way == "a global of its":
        policy = "fresh"  # under overlay a value that others have set is data, and carried
    tree.write(
        {
            "target.py": target,
            "writer.py": writer.replace("NAME", "First"),
            "other.py": writer.replace("NAME", "Other"),
            "app.py": "import target, writer, other\n",
        }
    )
    tree.install(policy=policy)
    tree.module("app")
    old = tree.module("target")
    assert list(old.SEEN) == ["First", "Other"]
    tree.published({"writer.py": writer.replace("NAME", "Second")})
    assert sorted(tree.module("target").SEEN) == ["Other", "Second"]
    assert list(old.SEEN) == ["First", "Other"]


def test_through_a_third_module(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "registry.py": REGISTRY,
            "tools.py": "import registry\ndef page(function): return registry.register(function)\n",
            "plugin.py": "from tools import page\n@page\ndef one(): return 1\n",
            "app.py": "import registry, plugin\n",
        }
    )
    tree.install(policy=policy)
    tree.module("app")
    old = tree.module("registry").HANDLERS
    tree.published({"plugin.py": "from tools import page\n@page\ndef two(): return 2\n"})
    assert (list(old), list(tree.module("registry").HANDLERS)) == (["one"], ["two"])
    tools: Any = tree.module("tools")
    assert tools.registry is tree.module("registry")


PLAIN = {
    "helper": ("def double(n): return 2 * n\n", "from target import double\nVALUE = double(NNN)\n"),
    "decorator": (
        "import functools\ndef loud(f):\n    @functools.wraps(f)\n"
        "    def inner(): return f()\n    return inner\n",
        "from target import loud\n@loud\ndef say(): return NNN\n",
    ),
    "base class": ("class Base: pass\n", "from target import Base\nclass Mine(Base): n = NNN\n"),
    "abstract base": (
        "from abc import ABC, abstractmethod\nclass Base(ABC):\n    @abstractmethod\n"
        "    def f(self): ...\n",
        "from target import Base\nclass Mine(Base):\n    def f(self): return NNN\n",
    ),
    "constant": ("VALUE = {'a': [1]}\n", "from target import VALUE\nMINE = VALUE['a'][0] + NNN\n"),
    "dataclass base": (
        "from dataclasses import dataclass\n@dataclass\nclass Base:\n    a: int = 1\n",
        "from dataclasses import dataclass\nfrom target import Base\n@dataclass\n"
        "class Mine(Base):\n    b: int = NNN\n",
    ),
    "enum": (
        "from enum import Enum\nclass Colour(Enum):\n    RED = 1\n",
        "from target import Colour\nMINE = Colour.RED, NNN\n",
    ),
    "logger": (
        "import logging\nlog = logging.getLogger(__file__)\n",
        "from target import log\nlog.debug('loaded NNN')\n",
    ),
    "import alone": ("LIST = []\n", "import target\nVALUE = NNN\n"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_what_leaves_no_trace_drags_nothing_in(tree: LiveTree, policy: str, kind: str) -> None:
    target, user = PLAIN[kind]
    tree.write(
        {
            "target.py": target,
            "user.py": user.replace("NNN", "1"),
            "other.py": "import target\n",
            "app.py": "import user, other\n",
        }
    )
    tree.install(policy=policy)
    tree.module("app")
    kept = tree.module("target"), tree.module("other")
    for number in (2, 3):
        report = tree.published({"user.py": user.replace("NNN", str(number))})
        assert ran(report) == ["user", "app"]
    assert kept == (tree.module("target"), tree.module("other"))
