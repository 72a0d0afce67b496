"""The standard library as it is before the program patches it.

gevent replaces threads, locks, sockets and waits of a process by those of its hub, freezegun stops
the clock, and a program may replace `json.dumps` by a function of its own. The thread that updates
and the messages between workers need the original ones:

    threading   a private copy: its locks are the system's
    socket, selectors, socketserver
                private copies where the modules are patched, else the modules themselves
    time, json  the few functions that are used, as they were when Transfuse was imported
"""

from __future__ import annotations

import builtins
import contextlib
import importlib.util
import json as _json
import sys
import threading as _threading
import time as _time
from types import ModuleType, SimpleNamespace
from typing import Any

from transfuse.errors import TransfuseError

# The modules whose functions are of C, and which a copy of a Python module uses.
_IN_C = ("_thread", "time", "select", "_socket")
# Python modules that are copied, such as {"socket": <module>}. Entries never leave.
_copies: dict[str, ModuleType] = {}


def _saved(name: str) -> dict[str, Any]:
    """Return the attributes of a module that gevent has replaced, as they were."""
    monkey = sys.modules.get("gevent.monkey")
    found: dict[str, Any] = getattr(monkey, "saved", {}).get(name, {})
    return found


def is_patched() -> bool:
    """Whether threads are greenlets of gevent in this process."""
    return bool(_saved("_thread") or _saved("threading"))


def refuse_unsupported() -> None:
    """Refuse a process in which threads cannot be had.

    Raises:
        TransfuseError: eventlet has patched them.
    """
    patcher = sys.modules.get("eventlet.patcher")
    if getattr(patcher, "already_patched", {}).get("thread"):
        raise TransfuseError(
            "eventlet has patched the threads of this process, and an update needs one of the"
            " system: use gevent (gunicorn -k gevent), threads, or an ASGI server"
        )


def _copy(name: str) -> ModuleType:
    """Return a module like the one of that name, made with nothing that was patched."""
    if name not in _copies:
        if name in _IN_C:
            made = ModuleType(name)
            made.__dict__.update(vars(importlib.import_module(name)), **_saved(name))
        else:
            made = _executed(name)
        _copies[name] = made
    return _copies[name]


def _executed(name: str) -> ModuleType:
    spec = importlib.util.find_spec(name)
    code = None if spec is None or spec.loader is None else spec.loader.get_code(name)  # type: ignore[attr-defined]
    if spec is None or code is None:
        return importlib.import_module(name)
    made = importlib.util.module_from_spec(spec)

    def plain_import(wanted: str, *arguments: Any) -> ModuleType:
        if wanted in _IN_C or wanted in ("threading", "socket", "selectors"):
            return _copy(wanted)
        found: ModuleType = _import(wanted, *arguments)
        return found

    made.__dict__["__builtins__"] = {**vars(builtins), "__import__": plain_import}
    # `socket` has its constants put into the module of its name.
    made.__name__ = f"{__name__}_{name}"
    sys.modules[made.__name__] = made
    try:
        exec(code, made.__dict__)
    finally:
        del sys.modules[made.__name__]
    return made


_import = builtins.__import__
_decode = _json.JSONDecoder().decode


def _loads(text: str | bytes) -> Any:
    return _decode(text.decode() if isinstance(text, bytes) else text)


threading: Any = _copy("threading")
# Not names of this module: freezegun replaces the clock wherever a module has it under a name.
time = SimpleNamespace(
    monotonic=_time.monotonic,
    time=_time.time,
    sleep=_saved("time").get("sleep", _time.sleep),
)
json = SimpleNamespace(
    dumps=_json.JSONEncoder().encode,
    loads=_loads,
)


def __getattr__(name: str) -> Any:
    if name not in ("socket", "selectors", "socketserver"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    patched = _saved("socket") or _saved("select") or _saved("_thread")
    return _copy(name) if patched else importlib.import_module(name)


class _Plain(_threading.Thread):
    def _delete(self) -> None:
        # It is under another number if threads have been patched since it began.
        with contextlib.suppress(KeyError):
            super()._delete()  # type: ignore[misc]


def thread(**options: Any) -> Any:
    """Return a thread of the system, not started, with the options of `threading.Thread`."""
    if not is_patched():
        try:
            return _Plain(**options)
        except Exception:
            pass
    return threading.Thread(**options)


def public_local() -> type:
    """Return the class that the program has as `threading.local`."""
    return _threading.local
