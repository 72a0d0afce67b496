"""How modules write into another module's state.

Each `Registry` is a small application as data: `first.py` and `second.py` put handlers into
something that others own, `app.py` imports them, and `probe.look()` says what is in there. The
stories that edit these applications are in `test_affects_registries.py`; here is what they share:
how the sources are put together, and what the same tree gives in a fresh process.
"""

from __future__ import annotations

import atexit
import gc
import json
import subprocess
import sys
import textwrap
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conftest import LiveTree

# In every application: what a plugin also imports and uses, and a module that imports only that.
HELPERS = """
    import functools, logging
    log = logging.getLogger("helpers")
    def loud(function):
        @functools.wraps(function)
        def inner(*given): return function(*given)
        return inner
    class Plain:
        "A base that notes nothing."
    @functools.lru_cache
    def double(number): return 2 * number
    """
BYSTANDER = "from helpers import double, loud\nVALUE = double(4)\n"

# A process that has imported the packages and nothing of ours; it forks for each tree that it is
# asked for, so that each is imported in a fresh process, and packages are imported once.
FRESH = """
    import importlib, json, os, sys, types
    for name in ("flask", "fastapi", "sqlalchemy.orm", "click", "blinker", "pluggy"):
        importlib.import_module(name)
    # A fresh process has no `outside`, and needs no answer.
    sys.modules["outside"] = types.SimpleNamespace(look=lambda: None)
    sys.dont_write_bytecode = True
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.path.insert(0, line.strip())
            importlib.invalidate_caches()
            app, probe = importlib.import_module("app"), importlib.import_module("probe")
            print(json.dumps(probe.look()), flush=True)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print("null", flush=True)
    """
_process: list[subprocess.Popen[str]] = []


def _forking() -> subprocess.Popen[str]:
    """The process that forks, for the whole session; it ends when its input does."""
    if not _process:
        code = textwrap.dedent(FRESH)
        pipe = subprocess.PIPE
        made = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
        _process.append(made)
        atexit.register(made.communicate, "")
    return _process[0]


@dataclass(frozen=True)
class Registry:
    """One registry.

    Attributes:
        owner: the files that own the state, such as `{"registry.py": "HANDLERS = {}"}`.
        plugin: the first lines of a plugin.
        handler: one handler, with NAME and VALUE in it.
        probe: the body of `look()`, which returns what JSON has.
        app: the first lines of `app.py`.
        after: the lines of `app.py` after its plugins.
    """

    owner: Mapping[str, str]
    plugin: str
    handler: str
    probe: str
    app: str = ""
    after: str = ""

    def source(self, handlers: Mapping[str, int]) -> str:
        """The source of a plugin with these handlers."""
        pieces = [
            self.handler.replace("NAME", n).replace("VALUE", str(v)) for n, v in handlers.items()
        ]
        own = "import outside, helpers\nclass Own(helpers.Plain): pass\nOWN = helpers.double(3)\n"
        own += "@helpers.loud\ndef mine(): return 1\nhelpers.log.debug('loaded')\n"
        return "\n".join([own, self.plugin, *pieces, "outside.look()\n"])

    def application(self, plugins: tuple[str, ...] = ("first", "second")) -> str:
        """The source of `app.py` with these plugins."""
        lines = [
            self.app,
            f"import {', '.join(plugins)}",
            self.after,
            "import outside\noutside.look()\n",
        ]
        return "\n".join(lines)

    def files(self, handlers: Mapping[str, int]) -> dict[str, str]:
        """The application with these handlers in `first.py`."""
        return {
            **self.owner,
            "helpers.py": HELPERS,
            "bystander.py": BYSTANDER,
            "first.py": self.source(handlers),
            "second.py": self.source({"other": 100}),
            "app.py": self.application(),
            "probe.py": f"def look():\n    import app, {self.names()}\n    {self.probe}\n",
        }

    def names(self) -> str:
        """The modules that own the state: `registry, tools`."""
        paths = [name.removesuffix(".py").removesuffix("/__init__") for name in self.owner]
        return ", ".join(path.replace("/", ".") for path in paths)


def look(tree: LiveTree) -> Any:
    """Return the registry that new work uses, as a fresh process would print it."""
    return json.loads(json.dumps(tree.module("probe").look()))


def fresh(tree: LiveTree) -> Any:
    """Return the registry of a fresh process without Transfuse in the same tree."""
    forking = _forking()
    assert forking.stdin is not None
    assert forking.stdout is not None
    print(tree.root, file=forking.stdin, flush=True)
    found = json.loads(forking.stdout.readline())
    assert found is not None, "the fresh process failed; see above"
    return found


def snapshot(*roots: types.ModuleType) -> dict[int, tuple[str, list[int]]]:
    """For each object its type and the identities of the objects that it holds.

    Does not look into modules, code, and what keeps caches of its own.
    """
    seen = {
        id(root): (
            root.__name__,
            [id(value) for key, value in vars(root).items() if key[:2] != "__"],
        )
        for root in roots
    }
    waiting = [value for root in roots for key, value in vars(root).items() if key[:2] != "__"]
    opaque = (types.ModuleType, types.CodeType, types.FrameType, types.BuiltinFunctionType)
    live = {root.__name__ for root in roots}
    while waiting and len(seen) < 50_000:
        value = waiting.pop()
        kind = type(value)
        if (
            id(value) in seen
            or isinstance(value, opaque)
            or kind.__name__ in ("_abc_data", "_lru_cache_wrapper")
        ):
            continue
        if kind.__module__ in ("logging", "weakref", "_weakref", "threading"):
            continue
        if isinstance(value, type):
            if value.__module__ not in live:
                continue
            hidden = ("__weakref__", "__dict__", "_abc_impl")
            held: list[Any] = [v for k, v in vars(value).items() if k not in hidden]
        elif isinstance(value, types.FunctionType):
            held = [value.__closure__, value.__dict__, value.__defaults__]
        else:
            held = gc.get_referents(value)
        seen[id(value)] = (kind.__name__, [id(each) for each in held])
        waiting += held
    return seen
