"""State of threads and contexts that modules set while they run in the updating thread.

In a fresh process modules are imported in the main thread, and an ASGI server runs there. So a
context variable that module-level code sets has its value in each request, and a `threading.local`
that it fills is full. In an update the modules run in a thread of their own: the values that they
set there are noted with the instance, and handed over when their generation is published. A
connection to SQLite that only the updating thread may use refuses the update.
"""

from __future__ import annotations

import gc
import sys
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from transfuse.config import native
from transfuse.errors import TransfuseError
from transfuse.updates import main_thread, participants, signal_handlers, thread_locals

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    # Before a module runs: the context, the one of `decimal`, the signal handlers, and what the
    # `threading.local` objects have.
    _Before = tuple[Context, str, signal_handlers.Handlers, thread_locals.Filled]

# The attribute of a live module's loader that has an `_Effects`.
_EFFECTS = "_transfuse_effects"
_PATIENCE = 5.0
# The name of the core's context variable for pins.
_PIN = "transfuse_pin"

# The context of the thread that installed Transfuse; a server's loop runs in one like it.
_base: Context | None = None
# That thread, as `threading.get_ident` has it.
_installed_by: int | None = None
# The executions, by their numbers, whose values that thread has after updates that it asked for.
_handed_here: set[int] = set()
# Whether the modules of an update run in a thread of its own.
_is_own_thread = True
# The instances that set something. Their number in the order of execution is in `_Effects`.
_noted: WeakSet[Any] = WeakSet()
_count = 0
# Generation -> the context variables of its modules, `{12: {tenant: "shop 2"}}`, for those that are
# staged or current. The updating thread replaces it.
_values: Mapping[int, Mapping[ContextVar[Any], Any]] = {}
# The signals whose handlers are set when the staged generation is published.
_signals: frozenset[int] = frozenset()
# The connections that were made while the modules of one update ran, with the modules' names.
_connections: list[tuple[str, Any]] = []


class _Effects:
    """The context variables, `threading.local` attributes and handlers that one execution set."""

    def __init__(
        self,
        values: dict[ContextVar[Any], Any],
        filled: thread_locals.Filled,
        others: thread_locals.Filled,
        handlers: signal_handlers.Handlers,
    ) -> None:
        global _count  # noqa: PLW0603
        _count += 1
        self.number = _count
        self.values = values
        # Attributes of the module's own `threading.local` objects, and of those of others.
        self.filled = filled
        self.others = others
        self.handlers = handlers


def install() -> None:
    """Have modules of updates run in a context like this thread's."""
    global _base, _installed_by  # noqa: PLW0603
    _base = copy_context()
    _installed_by = native.threading.get_ident()
    participants.register(_Participant())


def begin() -> Context:
    """Return the context for the modules of an update; the core enters it in this thread."""
    _connections.clear()
    server = main_thread.server()
    if server is not None:
        # For `asyncio.get_event_loop()`. This thread runs no other loop.
        sys.modules["asyncio"].set_event_loop(server[0])
    global _is_own_thread  # noqa: PLW0603
    _is_own_thread = not _is_where_requests_are(server)
    if _is_own_thread:
        noted = _noted_in_order()
        thread_locals.begin([each for one in noted for each in (*one.filled, *one.others)])
    return copy_context() if _base is None else _base.copy()


def running(former: Any) -> _Before:
    """Return the state before a module runs, for `ran`; the core calls it.

    Args:
        former: the instance of its former run, if any.
    """
    effects: _Effects | None = getattr(former, _EFFECTS, None)
    if effects is not None and _is_own_thread:
        thread_locals.take_back(effects.others)
    handlers = signal_handlers.current()
    return copy_context(), _isolated_decimal(), handlers, thread_locals.known()


def _isolated_decimal() -> str:
    decimal = sys.modules.get("decimal")
    if decimal is None:
        return ""
    # It is changed in place, and other threads may use the same.
    decimal.setcontext(decimal.getcontext().copy())
    return repr(decimal.getcontext())


def failed(before: _Before) -> None:
    """Take back what a module has set; the core calls it when the module's code has raised."""
    signal_handlers.take_back(before[2])


def ran(instance: Any, module: ModuleType, before: _Before) -> None:
    """Note what a module has set; the core calls it when the module's code has run."""
    context, decimal_context, handlers, known = before
    handlers = signal_handlers.take_back(handlers)
    after = copy_context()
    values = {}
    for var, value in after.items():
        if var.name.startswith("transfuse"):
            continue
        if var.name == "decimal_context":
            if repr(value) != decimal_context:
                values[var] = value
        elif var not in context or context[var] is not value:
            values[var] = value
    filled = thread_locals.of_module(module)
    others = thread_locals.of_others(known, filled)
    if values or filled or others or handlers:
        setattr(instance, _EFFECTS, _Effects(values, filled, others, handlers))
        _noted.add(instance)


def connected(name: str, connection: Any) -> None:
    """Note a connection to SQLite that a module makes; the core calls it."""
    if not _is_where_requests_are(main_thread.server()):
        _connections.append((name, connection))


def _is_where_requests_are(server: Any) -> bool:
    """Whether this is the thread of a server, as `main_thread` has it, or the main one."""
    here = native.threading.get_ident()
    return main_thread.is_here() or (server is not None and server[1] == here)


def enter(generation: int) -> None:
    """Give this context the values that the modules of the generation have set."""
    if _values:
        for var, value in _values.get(generation, {}).items():
            var.set(value)


def signals_to_be_set() -> frozenset[int]:
    """Return the signals whose handlers are set when the staged generation is published."""
    return _signals


def updated_here(generation: int) -> None:
    """Give this thread what the modules of the generation have set: it asked for the update itself.

    In the thread that installed Transfuse modules are imported, and a fresh process would set it
    there. Other threads have values of their own, and pinned work stays in its generation.
    """
    global _handed_here  # noqa: PLW0603
    if native.threading.get_ident() == _installed_by and not _is_pinned():
        enter(generation)
        noted = _noted_in_order()
        _fill_here([each for effects in noted for each in effects.filled], over=False)
        new = [effects for effects in noted if effects.number not in _handed_here]
        _fill_here([each for effects in new for each in effects.others], over=True)
        _handed_here = {effects.number for effects in noted}


def _is_pinned() -> bool:
    pins = (value for var, value in copy_context().items() if var.name == _PIN)
    return any(pin is not None for pin in pins)


class _Participant(participants.Participant):
    """Hands over what the modules have set; refuses what cannot be."""

    order = 5

    def __init__(self) -> None:
        # The executions whose signal handlers are in force, by their numbers, and those of the
        # staged generation, with the handlers that are to be set when it is published. The same for
        # `threading.local` objects of other modules.
        self._in_force: set[int] = set()
        self._staged_by: set[int] = set()
        self._staged: signal_handlers.Handlers = {}
        self._others: thread_locals.Filled = []

    def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
        global _values, _signals  # noqa: PLW0603
        _refuse_bound_connections()
        noted = _noted_in_order()
        values = {var: value for effects in noted for var, value in effects.values.items()}
        if values or _values:
            _values = {**_values, generation: values}
        _fill([each for effects in noted for each in effects.filled], over=False)
        set_by = [effects for effects in noted if effects.handlers or effects.others]
        new = [effects for effects in set_by if effects.number not in self._in_force]
        # Not before they are published: requests on the current code have the same objects.
        self._others = [each for effects in new for each in effects.others]
        self._staged = {number: handler for one in new for number, handler in one.handlers.items()}
        self._staged_by = {effects.number for effects in set_by}
        _signals = frozenset(self._staged)

    def published(self, generation: int) -> None:
        self._in_force = self._staged_by
        if self._staged:
            main_thread.call(partial(signal_handlers.put_back, self._staged))
        _fill(self._others, over=True)
        self._only(generation)

    def abandoned(self, generation: int) -> None:
        self._only(generation - 1, but_not=generation)

    def _only(self, generation: int, but_not: int | None = None) -> None:
        global _values  # noqa: PLW0603
        if but_not is None:
            kept = {generation: _values.get(generation, {})}
        else:
            kept = {number: values for number, values in _values.items() if number != but_not}
        _values = kept if any(kept.values()) else {}


def _noted_in_order() -> list[_Effects]:
    found = (effects for instance in list(_noted) if (effects := _in_this_generation(instance)))
    return sorted(found, key=lambda effects: effects.number)


def _in_this_generation(instance: Any) -> _Effects | None:
    there = sys.modules.get(instance.name)
    if getattr(there, "__loader__", None) is not instance:
        return None
    found: _Effects | None = getattr(instance, _EFFECTS, None)
    return found


def _fill(filled: thread_locals.Filled, *, over: bool) -> None:
    """Fill `threading.local` objects in the server's thread."""
    server = main_thread.server()
    if not filled or server is None:
        return
    loop, thread = server
    done = native.threading.Event()

    def fill() -> None:
        _fill_here(filled, over=over)
        done.set()

    loop.call_soon_threadsafe(fill)
    if not participants.waits_for_update(thread):
        done.wait(_PATIENCE)


def _fill_here(filled: thread_locals.Filled, *, over: bool) -> None:
    for each, values in filled:
        for name, value in values.items():
            if over or name not in vars(each):
                setattr(each, name, value)


def _refuse_bound_connections() -> None:
    noted = list(_connections)
    _connections.clear()
    bound = {id(connection): name for name, connection in noted if _is_bound(connection)}
    # No variable here refers to them any more.
    noted.clear()
    for name in _kept(bound):
        raise TransfuseError(
            f"{name} keeps a connection to SQLite that only the updating thread may use: connect"
            " with check_same_thread=False, or when the application starts, not while it is"
            " imported"
        )


def _kept(bound: dict[int, str]) -> set[str]:
    """Return the names of the modules whose connections are more than cyclic garbage.

    Args:
        bound: the id of each connection, and the name of the module that made it.
    """
    if not bound:
        return set()
    # A full collection stops the program for a moment, which is better than a wrong refusal.
    gc.collect()
    return {
        bound[id(each)]
        for each in gc.get_objects()
        if id(each) in bound and _is_connection(type(each))
    }


def _is_connection(kind: type) -> bool:
    return any(base.__module__ == "sqlite3" for base in kind.__mro__)


def _is_bound(connection: Any) -> bool:
    # Only the tuple, our variables and its own cache of statements refer to one that nothing keeps.
    own = sum(
        other is connection
        for part in gc.get_referents(connection)
        for other in gc.get_referents(part)
    )
    if sys.getrefcount(connection) <= _OURS + own:
        return False
    if _is_closed(connection):
        return False
    said: list[str] = []

    def use() -> None:
        try:
            connection.cursor().close()
        except Exception as error:
            said.append(str(error))

    thread = native.thread(target=use, name="transfuse-sqlite", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return any("thread" in each for each in said)


def _is_closed(connection: Any) -> bool:
    try:
        return bool(connection.total_changes < 0)
    except Exception as error:
        return "closed" in str(error)


def _baseline() -> int:
    noted = [("", object())]
    return max(_count_of(each) for _, each in list(noted))


def _count_of(each: object) -> int:
    return sys.getrefcount(each)


_OURS = _baseline()
