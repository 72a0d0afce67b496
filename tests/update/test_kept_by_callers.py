"""What a function imports may be kept far from it, by an application made at the first request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

FILES = {
    "views.py": "class Views:\n    def home(self):\n        return 'old'\n",
    "urls.py": "from views import Views\nviews = Views()\nroutes = {'/': views.home}\n",
    "base.py": "CACHE = {}\n",
    "backends.py": (
        "import base\nfrom importlib import import_module\n"
        "def routes():\n    return import_module('urls').routes\n"
    ),
    # Like a framework's: the handlers lie behind attributes, closures and bound methods.
    "server.py": (
        "import backends\n"
        "class Wrapper:\n    __slots__ = ('call',)\n"
        "    def __init__(self, call):\n        self.call = lambda: call()\n"
        "class Server:\n    def __init__(self):\n        self.made = {}\n"
        "    def get(self, path):\n"
        "        if 'app' not in self.made:\n"
        "            routes = backends.routes()\n"
        "            self.made['app'] = {key: Wrapper(each) for key, each in routes.items()}\n"
        "        return self.made['app'][path].call()\n"
    ),
    "entry.py": "from server import Server\napplication = Server()\n",
}
NEW = {"views.py": "class Views:\n    def home(self):\n        return 'new'\n"}


# Ways in which a function imports by a call.
CALLS = (
    "import_module('urls')",
    "__import__('urls')",
    "__import__('urls', fromlist=['routes'])",
    "__import__('urls', {}, {}, ['routes'])",
)


def _served(tree: LiveTree) -> str:
    answer: str = tree.module("entry").application.get("/")
    return answer


@pytest.mark.parametrize("call", CALLS)
def test_p5_an_application_made_at_the_first_request_serves_new_views(
    tree: LiveTree, call: str
) -> None:
    tree.write(FILES | {"backends.py": FILES["backends.py"].replace(CALLS[0], call)})
    tree.install()
    assert _served(tree) == "old"
    report = tree.published(NEW)
    assert set(ran(report)) == {"views", "urls", "entry"}
    assert _served(tree) == "new"


# What `urls` may make that is no code of its own, and what the route shows then.
OBJECTS = (
    "views = Views({!r})\nroutes = {{'/': views.home}}\n",
    "routes = {{'/': Views({!r}).home}}\n",
    "from functools import partial\nroutes = {{'/': partial(str, {!r})}}\n",
    "table = [[Views({!r}).home]]\nroutes = {{'/': table[0][0]}}\n",
    # Foreign code made the view, and has no name for it.
    "from operator import methodcaller\n"
    "routes = {{'/': lambda call=methodcaller('lower'): call({!r})}}\n",
)
VIEWS = (
    "class Views:\n    def __init__(self, text):\n        self.text = text\n"
    "    def home(self):\n        return self.text\n"
)


@pytest.mark.parametrize("source", OBJECTS)
def test_p5_objects_that_a_table_of_routes_makes_are_kept_by_the_application(
    tree: LiveTree, source: str
) -> None:
    source = f"from views import Views\n{source}"
    tree.write(FILES | {"views.py": VIEWS, "urls.py": source.format("old")})
    tree.install()
    assert _served(tree) == "old"
    report = tree.published({"urls.py": source.format("new")})
    # A function of `server` may have kept text of it.
    assert set(ran(report)) - {"server"} == {"urls", "entry"}
    assert _served(tree) == "new"


def test_p5_a_table_itself_is_kept(tree: LiveTree) -> None:
    server = FILES["server.py"].replace(
        "{key: Wrapper(each) for key, each in routes.items()}",
        "{'/': Wrapper(lambda: routes['/'])}",
    )
    urls = "routes = {{'/': {!r}}}\n"
    tree.write(FILES | {"urls.py": urls.format("old"), "server.py": server})
    tree.install()
    assert _served(tree) == "old"
    report = tree.published({"urls.py": urls.format("new")})
    assert set(ran(report)) - {"server"} == {"urls", "entry"}
    assert _served(tree) == "new"


# What `urls` binds and has not made: other modules have it, and the application does, too.
SHARED = (
    "from base import settings\n",
    "import base\nsettings = base.settings\n",
    "from base import Colour\nsettings = [Colour.RED]\n",
    "import re\nsettings = re.compile('x+')\n",
    "import zoneinfo\nsettings = zoneinfo.ZoneInfo('UTC')\n",
    "import logging\nsettings = logging.getLogger('shop')\n",
    "import signal\nsettings = signal.SIGINT\n",
    "settings = ((), frozenset(), None, 'x', 1)\n",
)


@pytest.mark.parametrize("source", SHARED)
def test_p12_what_a_module_has_not_made_is_not_kept_of_it(tree: LiveTree, source: str) -> None:
    base = (
        "import enum\nclass Settings:\n    pass\nsettings = Settings()\n"
        "class Colour(enum.Enum):\n    RED = 1\n"
    )
    entry = (
        "import backends, logging, re, signal, zoneinfo\nfrom base import settings, Colour\n"
        "held = [settings, Colour.RED, re.compile('x+'), logging.getLogger('shop')]\n"
        "held += [(), frozenset(), zoneinfo.ZoneInfo('UTC'), signal.SIGINT]\n"
        "def get(p):\n    return backends.routes()[p]()\n"
    )
    source += "routes = {'/': lambda: 'old'}\n"
    tree.write(FILES | {"base.py": base, "entry.py": entry, "urls.py": source})
    tree.install()
    assert tree.module("entry").get("/") == "old"
    report = tree.published({"urls.py": source.replace("old", "new")})
    assert set(ran(report)) == {"urls"}
    assert tree.module("entry").get("/") == "new"


def test_p12_what_cannot_have_called_the_function_does_not_run(tree: LiveTree) -> None:
    tree.write(FILES)
    tree.install()
    entry = tree.module("entry")
    # A cache of a module further down, which a request has filled, is data.
    tree.module("base").CACHE["/"] = tree.module("backends").routes()
    assert entry is tree.module("entry")
    report = tree.published(NEW)
    assert set(ran(report)) == {"views", "urls"}


def test_p12_an_import_of_which_nothing_was_kept_is_not_followed(tree: LiveTree) -> None:
    tree.write(
        FILES | {"entry.py": "import backends\ndef get(p):\n    return backends.routes()[p]()\n"}
    )
    tree.install()
    assert tree.module("entry").get("/") == "old"
    assert set(ran(tree.published(NEW))) == {"views", "urls"}
    assert tree.module("entry").get("/") == "new"
