"""The entries that leave foreign containers at the end of an update, and come back in a rollback.

An entry of a superseded execution is taken out if the new execution of the module made its
counterpart: an entry of the same container that leads to objects of the same names. In doubt an
entry stays.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from transfuse import _core
from transfuse.registrations import log_handlers
from transfuse.registrations.entries import entries_of, keys_in
from transfuse.registrations.made import (
    SUSPENDED,
    Execution,
    Key,
    Made,
    are_passed_by,
    values_of,
)
from transfuse.registrations.search import Search
from transfuse.registrations.wrapped import take_apart
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from transfuse.registrations.entries import Entry

    Told = list[tuple[ModuleType, list[Any], list[str]]]


class _Sides(NamedTuple):
    """The executions of an update, by the side that they are on."""

    former: Made
    abandoned: Made
    new: Made

    def key(self, each: Any) -> tuple[str, Key] | None:
        """Return the side that made an object, and its key."""
        for side, made in zip(self._fields, self, strict=True):
            key = made.key(each)
            if key is not None:
                return side, key
        return None

    def side(self, each: Any) -> str:
        """Return the side that made an object, or that a weak reference leads to; else nothing."""
        if issubclass(type(each), weakref.ReferenceType):
            each = weakref.ReferenceType.__call__(each)
        for side, made in zip(self._fields, self, strict=True):
            if id(each) in made.names or made.key(each) is not None:
                return side
        return ""


def are_held(executed: Told, superseded: Told) -> bool:
    """Whether anything but the executions themselves holds the objects that they made.

    Args:
        executed: the executions that are new in a generation.
        superseded: those that they replace, from which they may have carried objects.
    """
    made = Made(_executions(executed), _executions(superseded))
    # A started application waits in coroutines of its own.
    known = [*(one[0] for one in executed), *participants.references()]
    held, _ = _held_outside(known, made)
    return bool(held)


def published(
    executed: Told,
    superseded: Told,
    revived: Told,
    abandoned: Told,
    earlier: list[ModuleType] | None,
) -> None:
    """Exchange registrations: a new generation has become current.

    Args:
        executed: the executions that are new in it.
        superseded: those that are no longer part of it.
        revived: those that are part of it again, after a rollback.
        abandoned: those that were staged and did not become part of it.
        earlier: superseded modules that are still in memory; None: new code registered nothing.
    """
    back = _executions(revived)
    for execution in back:
        # Backwards, because each position is that in a list without the later ones.
        for entry in reversed(execution.record):
            entry.put_back()
        execution.record.clear()
    old, new, gone = _executions(superseded), _executions(executed), _executions(abandoned)
    log_handlers.exchange([*gone, *old], [*new, *back])
    take_apart(one.module for one in (*new, *back))
    if earlier is not None:
        _search(old, new, back, gone, earlier)


def _search(
    old: list[Execution],
    new: list[Execution],
    back: list[Execution],
    gone: list[Execution],
    earlier: list[ModuleType],
) -> None:
    """Find the entries that leave, and take them out."""
    objects, own = _held([*old, *gone], [*new, *back], earlier)
    if not objects:
        return
    # What only new executions hold is searched: it may be a copy of a registry.
    counterparts, _ = _held([*new, *back], [*old, *gone], [])
    there = values_of(old)
    fresh = {id(vars(one.module)): there for one in new}
    carried = _carried([*old, *gone, *new, *back])
    sides = _Sides(Made(old, [*new, *back]), Made(gone, [*new, *back]), Made([*new, *back], old))

    def may_leave(container: Any, found: set[str]) -> bool:
        # Where there is no counterpart, nothing is looked into: that costs more than to find it.
        exchanged = "abandoned" in found or {"former", "new"} <= found
        return exchanged and any(True for _ in _leaving(container, sides))

    made = Made([*old, *gone, *new, *back], [])
    search = Search(made, own | carried, fresh, sides.side, may_leave)
    records = {one.module.__name__: one.record for one in old}
    for container in search.containers([*objects, *counterparts]):
        for entry, instead, module in list(_leaving(container, sides)):
            if entry.take_out(instead) and module:
                records[module].append(entry)


def abandoned(executed: Told, kept: Told, error: BaseException | None) -> None:
    """Take out what code registered that was staged in vain.

    Args:
        executed: the executions that were staged.
        kept: the executions that stay current instead.
        error: what ended staging; its traceback refers to the code.
    """
    gone, old = _executions(executed), _executions(kept)
    log_handlers.exchange(gone, old, refused=True)
    objects, own = _held(gone, old, [], error)
    if not objects:
        return
    made = Made(gone, old)

    search = Search(
        made,
        own | _carried([*gone, *old]),
        {},
        lambda _: "abandoned",
        # All are climbed from first: looking into one that belongs to live code would touch it.
        lambda _container, _sides: True,
    )
    for container in search.containers(objects):
        for entry in list(entries_of(container)):
            if keys_in(entry.held, made.key) and not _only_watches(entry):
                entry.take_out()


def _executions(told: Told) -> list[Execution]:
    return [Execution(*each) for each in told]


def _held(
    executions: list[Execution],
    others: list[Execution],
    earlier: list[ModuleType],
    error: BaseException | None = None,
) -> tuple[list[Any], set[int]]:
    """Return the objects that executions made and others hold; ids of what only they hold."""
    made = Made(executions, others)
    seeds = [*(one.module for one in executions), *_of_error(error)]
    held, own = _held_outside(seeds, made)
    if held and earlier:
        # What former importers still have under a name was not registered.
        held.clear()
        theirs = (vars(one) for one in earlier if id(vars(one)) not in made.names)
        held, own = _held_outside([*seeds, *theirs], made)
    return held, own


def _held_outside(seeds: list[Any], made: Made) -> tuple[list[Any], set[int]]:
    # What suspended code refers to is no registration, and known to the collector.
    return _core.held_outside(
        seeds,
        set(made.names),
        made.classes,
        lambda kind: kind not in SUSPENDED and are_passed_by(kind),
    )


def _of_error(error: BaseException | None) -> list[Any]:
    """Return an exception, those behind it, and their tracebacks with the frames."""
    found: list[Any] = []
    while error is not None and not any(each is error for each in found):
        found.append(error)
        traceback = error.__traceback__
        while traceback is not None:
            found += (traceback, traceback.tb_frame)
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__
    return found


def _carried(executions: Iterable[Execution]) -> set[int]:
    return {id(vars(one.module).get(name)) for one in executions for name in one.preserved}


def _leaving(container: Any, sides: _Sides) -> Iterator[tuple[Entry, Entry | None, str]]:
    """Yield the entries that have a counterpart, with it and with the module that made them.

    With them those of abandoned executions, and no module.
    """
    former: dict[frozenset[Key], list[Entry]] = defaultdict(list)
    new: dict[frozenset[Key], list[Entry]] = defaultdict(list)
    for entry in entries_of(container):
        found = keys_in(entry.held, sides.key)
        made_by = {side for side, _ in found}
        keys = frozenset(key for _, key in found)
        if made_by == {"former"}:
            former[keys].append(entry)
        elif made_by == {"new"}:
            new[keys].append(entry)
        elif "abandoned" in made_by and "new" not in made_by:
            yield entry, None, ""
    for keys, entries in former.items():
        counterparts = new.get(keys, [])
        if counterparts and _is_one_for_one(keys, entries, counterparts):
            for at, entry in enumerate(entries):
                instead = counterparts[at] if at < len(counterparts) else None
                yield entry, instead, min(keys).module


def _is_one_for_one(keys: frozenset[Key], former: list[Entry], new: list[Entry]) -> bool:
    """Whether entries match; requests make instances as well, so these must be as many."""
    return all(key.is_unique for key in keys) or len(former) == len(new)


def _only_watches(entry: Entry) -> bool:
    """Whether an entry is a weak reference that tells of no end, and so no registration."""
    held = entry.held
    return issubclass(type(held), weakref.ReferenceType) and held.__callback__ is None
