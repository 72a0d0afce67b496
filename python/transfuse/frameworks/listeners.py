"""When is a listener called that live code registered with a foreign framework?

SQLAlchemy and Blinker keep listeners for the life of the process, and call all of them. While an
update is staged, those of the old code would hear of the classes of the new code, and those of the
new code of the requests on the old. So a listener is called for work of the generations that its
module belongs to:

- SQLAlchemy's listeners on its own classes (`Mapper`, `Session`, `Engine`): those that a module
  registers while it runs replace those of its former execution, and each is called for its own
  generations. The list of listeners is not written to meanwhile: requests go through it.
- Blinker's receivers: those of other generations are left out when a signal is sent.
- `atexit`: see `exit_callbacks`.

The core calls `attend` when such a framework has been loaded. Nothing here imports one.
"""

from __future__ import annotations

import sys
import weakref
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.frameworks import exit_callbacks
from transfuse.process import install
from transfuse.updates import api, participants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Names = dict[str, Any]

# The arguments that a listener that is not called has to return: these events may replace them.
_UNCHANGED: dict[str, slice | int] = {
    "before_compile": 0,
    "before_compile_delete": 0,
    "before_compile_update": 0,
    "before_cursor_execute": slice(2, 4),
    "before_execute": slice(1, 4),
}


def attend(keeper: str) -> None:
    """Tell listeners apart by generation.

    Args:
        keeper: the module that has been loaded, ``"blinker.base"``.
    """
    if keeper == "atexit":
        exit_callbacks.attend()
    else:
        _ATTEND[keeper](sys.modules[keeper])


# SQLAlchemy.


class _Slot:
    """A listener of SQLAlchemy's that stands for those of all executions of one module.

    Attributes:
        alternatives: the namespace of each execution, and SQLAlchemy's key of its listener.
            Replaced whole.
        is_listed: whether SQLAlchemy calls it.
    """

    __slots__ = ("__weakref__", "_unchanged", "alternatives", "is_listed")

    def __init__(self, event: str) -> None:
        self._unchanged = _UNCHANGED.get(event)
        self.alternatives: tuple[tuple[Names, Any], ...] = ()
        self.is_listed = False

    def __call__(self, *arguments: Any) -> Any:
        for names, key in self.alternatives:
            if _core.is_answering(names):
                return key._listen_fn(*arguments)
        return arguments[self._unchanged] if self._unchanged is not None else None

    def take_out(self, fn_key: Any) -> None:
        """Call that listener no more."""
        kept = (each for each in self.alternatives if each[1].fn_key != fn_key)
        self.alternatives = tuple(kept)


# A class of SQLAlchemy -> the name of a live module and that of an event -> its slots, in the order
# in which the module registers. Written while modules run; entries leave with their class.
_slots: weakref.WeakKeyDictionary[type, dict[tuple[str, str], list[_Slot]]]
_slots = weakref.WeakKeyDictionary()


class _Listeners(participants.Participant, participants.Holder):
    """Knows what only slots hold of a staged generation, so that it costs no search."""

    order = 5

    def references(self) -> list[Any]:
        pairs = [
            pair
            for by_name in list(_slots.values())
            for slots in by_name.values()
            for slot in slots
            for pair in slot.alternatives
        ]
        return [*pairs, *(key for _, key in pairs)]


_listeners = _Listeners()


def _attend_sqlalchemy(registry: Any) -> None:
    kind = registry._EventKey
    listen, remove = kind.base_listen, kind.remove

    def base_listen(key: Any, *arguments: Any, **named: Any) -> None:
        names = _core.executing()
        if names is None or not issubclass(type(key.dispatch_target), type):
            listen(key, *arguments, **named)
            return
        slot = _slot(names, key)
        wrapped = key.with_wrapper(slot)
        known = registry._key_to_collection
        if all(reference() is None for reference in list(known.get(key._key, {}).values())):
            # Of a function that is gone, whose address this one has: its list was cleared.
            known.pop(key._key, None)
        if slot.is_listed:
            # So that `event.contains` and `event.remove` know this listener, too.
            collection = getattr(key.dispatch_target.dispatch, key.identifier)
            registry._stored_in_collection(wrapped, collection)
        else:
            slot.is_listed = True
            listen(wrapped, *arguments, **named)

    def remove_listener(key: Any) -> None:
        references = registry._key_to_collection.get(key._key, {}).values()
        slots = [slot for each in list(references) if type(slot := each()) is _Slot]
        if not slots:
            remove(key)
        for slot in slots:
            slot.take_out(key.fn_key)
        if slots:
            del registry._key_to_collection[key._key]

    kind.base_listen, kind.remove = base_listen, remove_listener
    participants.register(_listeners, midway=True)
    install.on_uninstall(_slots.clear)
    install.on_uninstall(partial(setattr, kind, "base_listen", listen))
    install.on_uninstall(partial(setattr, kind, "remove", remove))
    install.on_uninstall(api.on_update(_forget_former))


def _slot(names: Names, key: Any) -> _Slot:
    """Return the slot for a listener of an execution: of those in order, the first without one."""
    by_name = _slots.setdefault(key.dispatch_target, {})
    slots = by_name.setdefault((names["__name__"], key.identifier), [])
    for slot in slots:
        if all(each is not names for each, _ in slot.alternatives):
            break
    else:
        slot = _Slot(key.identifier)
        slots.append(slot)
    slot.alternatives = ((names, key), *slot.alternatives)
    return slot


def _forget_former(_report: Any) -> None:
    """Let go of the listeners of code that no generation has any more."""
    registry = sys.modules["sqlalchemy.event.registry"]
    for by_name in list(_slots.values()):
        for slots in list(by_name.values()):
            for slot in slots:
                kept = [each for each in slot.alternatives if not _core.is_former(each[0])]
                known = {key._key for _, key in kept}
                for _, key in slot.alternatives:
                    if key._key not in known:
                        registry._key_to_collection.pop(key._key, None)
                slot.alternatives = tuple(kept)


# Blinker.


def _attend_blinker(base: Any) -> None:
    kind = base.Signal
    original: Callable[..., Iterator[Any]] = kind.receivers_for

    def receivers_for(signal: Any, sender: Any) -> Iterator[Any]:
        return filter(_is_answering, original(signal, sender))

    kind.receivers_for = receivers_for
    install.on_uninstall(partial(setattr, kind, "receivers_for", original))


def _is_answering(receiver: Any) -> bool:
    while type(receiver) in (MethodType, partial):
        receiver = receiver.__func__ if type(receiver) is MethodType else receiver.func
    if type(receiver) is not FunctionType:
        receiver = getattr(type(receiver), "__call__", None)  # noqa: B004 - what a call runs
    return type(receiver) is not FunctionType or _core.is_answering(receiver.__globals__)


_ATTEND: dict[str, Callable[[Any], None]] = {
    "blinker.base": _attend_blinker,
    "sqlalchemy.event.registry": _attend_sqlalchemy,
}
