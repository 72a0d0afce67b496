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
