"""The entries that leave foreign containers at the end of an update, and come back in a rollback.

An entry of a superseded execution is taken out if the new execution of the module made its
counterpart: an entry of the same container that leads to objects of the same names. In doubt an
entry stays.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from types import FunctionType
from typing import TYPE_CHECKING, Any

from transfuse import _core
from transfuse.registrations import holders, log_handlers
from transfuse.registrations.caches import caches
from transfuse.registrations.entries import entries_of, keys_in
from transfuse.registrations.made import (
    COUNTED,
    Execution,
    Key,
    Made,
    are_passed_by,
    is_container,
    values_of,
)
from transfuse.registrations.search import Search, Side
from transfuse.registrations.wrapped import take_apart
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from transfuse.registrations.entries import Entry

    Told = list[tuple[ModuleType, list[Any], list[str]]]


# The ranks of executions that were staged in vain, and of those that are current.
_ABANDONED, _CURRENT = -1, 1_000_000


class _Sides:
    """The executions that an update ends, and those that it makes current, by their order in time.

    Args:
        former: superseded ones, the oldest first; the rank of each is its number here.
        abandoned: those that were staged in vain.
        new: the current ones.
    """

    def __init__(
        self, former: list[Execution], abandoned: list[Execution], new: list[Execution]
    ) -> None:
        self.former = former
        ranked = [(_ABANDONED, Made(abandoned, new)), (_CURRENT, Made(new, former))]
        earlier: dict[str, list[Execution]] = defaultdict(list)
        for rank, one in enumerate(former):
            # An object that an execution has carried was made by the one before.
            before = earlier[one.module.__name__]
            ranked.append((rank, Made([one], before)))
            before.append(one)
        self._names = {name: (rank, made) for rank, made in ranked for name in made.names}
        self._classes = {each: (rank, made) for rank, made in ranked for each in made.classes}

    def key(self, each: Any) -> tuple[int, Key] | None:
        """Return the rank of the execution that made an object, and its key."""
        kind = type(each)
        if kind is FunctionType:
            found = self._names.get(id(each.__globals__))
        else:
            found = self._classes.get(id(each)) or self._classes.get(id(kind))
        key = found[1].key(each) if found is not None else None
        return (found[0], key) if found is not None and key is not None else None

    def lasting_key(self, each: Any) -> tuple[int, Key] | None:
        """Return the same, with the names of globals: of these an execution has one, too."""
        found = self.key(each)
        if found is None:
            return None
        rank, key = found
        if key.kind == "instance" and 0 <= rank < len(self.former):
            namespace = list(vars(self.former[rank].module).items())
            name = next((name for name, value in namespace if value is each), "<none>")
            key = Key(key.module, "global", name)
        return rank, key

    def side(self, each: Any) -> int | None:
        """Return the rank of the execution that made an object (a weak reference: its referent)."""
        if issubclass(type(each), weakref.ReferenceType):
            each = weakref.ReferenceType.__call__(each)
        found = self._names.get(id(each)) or self.key(each)
        return found[0] if found is not None else None


def held(executed: Told, superseded: Told) -> list[_core.HeldOutside]:
    """Return the objects of executions that anything but executions and caches holds, if any.

    Attributes of foreign modules and classes count as well, but are not among these objects.

    Args:
        executed: the executions that are new in a generation.
        superseded: those that they replace, from which they may have carried objects.
    """
    made = Made(_executions(executed), _executions(superseded))
    modules = [one[0] for one in executed]
    # A started application waits in coroutines of its own.
    known = [*modules, *participants.references()]
    found = held_outside(known, made, foreign=holders.known())
    at_edge = [one for one in found.edge if id(one) in made.names or made.key(one) is not None]
    if at_edge and holders.look_for(at_edge, made.names, modules):
        # Its own references would count.
        del found, at_edge
        found = held_outside(known, made, foreign=holders.known())
    return [found] if found.objects or found.attributes else []


def published(
    executed: Told,
    superseded: Told,
    revived: Told,
    abandoned: Told,
    earlier: tuple[Told, list[_core.HeldOutside], bool] | None,
) -> list[tuple[str, str]]:
    """Exchange registrations: a new generation has become current.

    Args:
        executed: the executions that are new in it.
        superseded: those that are no longer part of it.
        revived: those that are part of it again, after a rollback.
        abandoned: those that were staged and did not become part of it.
        earlier: all superseded ones that are still in memory, the oldest first; None: new code
            registered nothing. With what `held` returned, and whether something keeps more of
            the superseded ones than after the update before.

    Returns:
        The modules of which loggers keep former code, each with a note.
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
        told, held_of_new, pile_up = earlier
        registered = [one for one in held_of_new if one.objects]
        if registered or pile_up or back or gone:
            before = _executions(told)
            _search(old, new, back, gone, before, registered=registered, pile_up=pile_up)
    return log_handlers.kept(old, [*new, *back])


def _search(
    old: list[Execution],
    new: list[Execution],
    back: list[Execution],
    gone: list[Execution],
    earlier: list[Execution],
    *,
    registered: list[_core.HeldOutside],
    pile_up: bool,
) -> None:
    """Find the entries that leave, and take them out."""
    current = [*new, *back]
    known = {id(one.module) for one in (*old, *current)}
    # Requests register after the swap: by now there may be counterparts by later requests.
    names = {one.module.__name__ for one in old} if pile_up else set()
    before = [one for one in earlier if id(one.module) not in known]
    former = [*(one for one in before if one.module.__name__ in names), *old]
    sides = _Sides(former, gone, current)
    if not (names or back or gone) and not _may_meet(registered, Made(former, current), sides):
        return
    theirs = [one.module for one in before]
    held_of_former = _held([*former, *gone], current, theirs, registered)
    if not held_of_former.objects:
        return
    there = values_of(old)
    fresh = {id(vars(one.module)): there for one in new}
    carried = _carried([*former, *gone, *current])

    def may_leave(container: Any, found: set[int | None]) -> bool:
        # Where there is no counterpart, nothing is looked into: that costs more than to find it.
        meet = len(found - {None}) > 1 and (_CURRENT in found or bool(names))
        return (_ABANDONED in found or meet) and any(True for _ in _leaving(container, sides))

    made = Made([*former, *gone, *current], [])
    passed_by = held_of_former.inside | carried | own((held_of_former, *registered))
    search = Search(made, passed_by, fresh, sides.side, may_leave)
    if registered and not (names or back or gone):
        # Only containers that hold objects of former and of new executions matter.
        found = search.shared(
            Side(held_of_former, {*range(len(former))}), Side(registered[0], {_CURRENT})
        )
    else:
        # Containers that only new executions hold are searched: one may be a copy of a registry.
        counterparts = [*registered, *([_held(back, [*former, *gone], [])] if back else [])]
        found = search.containers(
            [each for held in (held_of_former, *counterparts) for each in held.objects]
        )
    for container in found:
        for entry, instead, record in list(_leaving(container, sides)):
            if entry.take_out(instead) and record is not None:
                record.append(entry)


def _may_meet(registered: list[_core.HeldOutside], former: Made, sides: _Sides) -> bool:
    """Tell whether entries of former objects may leave, if new code leads to their containers."""
    for one in registered:
        # What is at the edge of new code may be in containers that this does not lead to.
        if one.edge:
            return True
        for container in _core.leading_to(one.containers, set(former.names), former.classes):
            if is_container(container) and any(True for _ in _leaving(container, sides)):
                return True
    return False


def abandoned(executed: Told, kept: Told, error: BaseException | None) -> None:
    """Take out what code registered that was staged in vain.

    Args:
        executed: the executions that were staged.
        kept: the executions that stay current instead.
        error: the exception that ended staging; its traceback refers to the code.
    """
    gone, old = _executions(executed), _executions(kept)
    log_handlers.exchange(gone, old, refused=True)
    found = _held(gone, old, [], error=error)
    if not found.objects:
        return
    made = Made(gone, old)

    search = Search(
        made,
        found.inside | _carried([*gone, *old]) | own([found]),
        {},
        lambda _: _ABANDONED,
        # All are climbed from first: looking into one that belongs to live code would touch it.
        lambda _container, _sides: True,
    )
    for container in search.containers(found.objects):
        for entry in _registrations(container):
            if keys_in(entry.held, made.key):
                entry.take_out()


def _executions(told: Told) -> list[Execution]:
    return [Execution(*each) for each in told]


def _held(
    executions: list[Execution],
    others: list[Execution],
    earlier: list[ModuleType],
    registered: list[_core.HeldOutside] | None = None,
    error: BaseException | None = None,
) -> _core.HeldOutside:
    """Return the objects of executions that other objects hold.

    Args:
        executions: the executions.
        others: those from which they may have carried objects.
        earlier: former modules. What these still have under a name was not registered.
        registered: what is known to be held of others, so that `earlier` has to be looked into.
        error: an exception, whose traceback refers to the executions.
    """
    made = Made(executions, others)
    seeds = [*(one.module for one in executions), *_of_error(error)]
    found = None if registered else held_outside(seeds, made)
    if found is None or (found.objects and earlier):
        del found
        theirs = (vars(one) for one in earlier if id(vars(one)) not in made.names)
        beside = registered[0] if registered else None
        found = held_outside([*seeds, *theirs], made, beside)
    return found


def held_outside(
    seeds: list[Any],
    made: Made,
    beside: _core.HeldOutside | None = None,
    foreign: list[Any] | None = None,
) -> _core.HeldOutside:
    """Return the objects of executions that something else than `seeds` and caches holds."""
    # References of suspended code and of caches are no registrations.
    return _core.held_outside(
        [*seeds, *caches()],
        set(made.names),
        made.classes,
        lambda kind: kind not in COUNTED and are_passed_by(kind),
        beside,
        foreign,
    )


def own(answers: Iterable[_core.HeldOutside]) -> set[int]:
    """Return the ids of the lists of answers, which hold what is searched for, too."""
    return {id(each) for one in answers for each in (one.objects, one.edge, one.containers)}


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


def _leaving(
    container: Any, sides: _Sides
) -> Iterator[tuple[Entry, Entry | None, list[Any] | None]]:
    """Yield the entries that have a later counterpart, with it and the record of their execution.

    With them those of abandoned executions, and no record.
    """
    taken: set[int] = set()
    entries = _registrations(container)
    made = [keys_in(entry.held, sides.key) for entry in entries]
    for keys, by_rank in _by_keys(entries, made).items():
        counterparts = by_rank.pop(_CURRENT, [])
        by_rank.pop(_ABANDONED, None)
        for rank, former in by_rank.items():
            if counterparts and _is_one_for_one(keys, former, counterparts):
                yield from _in_places(former, counterparts, sides.former[rank], taken)
    ranks: set[int] = set()
    for entry, found in zip(entries, made, strict=True):
        here = {rank for rank, _ in found}
        ranks |= here
        if _ABANDONED in here and _CURRENT not in here:
            yield entry, None, None
    if len(ranks - {_ABANDONED, _CURRENT}) < 2:
        return
    # Requests register, too, but after the swap. By the next update, their registrations have
    # counterparts among those of earlier requests.
    left = [entry for entry in entries if id(entry) not in taken]
    made = [keys_in(entry.held, sides.lasting_key) for entry in left]
    for keys, by_rank in _by_keys(left, made).items():
        if not all(key.is_unique for key in keys):
            continue
        by_rank.pop(_ABANDONED, None)
        by_rank.pop(_CURRENT, None)
        counterparts = by_rank.pop(max(by_rank, default=0), [])
        for rank, former in by_rank.items():
            yield from _in_places(former, counterparts, sides.former[rank], taken)


def _by_keys(
    entries: list[Entry], made: list[frozenset[tuple[int, Key]]]
) -> dict[frozenset[Key], dict[int, list[Entry]]]:
    """Return the entries that objects of one execution are in, by the keys and the rank."""
    found: dict[frozenset[Key], dict[int, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry, keys in zip(entries, made, strict=True):
        ranks = {rank for rank, _ in keys}
        if len(ranks) == 1:
            found[frozenset(key for _, key in keys)][ranks.pop()].append(entry)
    return found


def _in_places(
    former: list[Entry], counterparts: list[Entry], execution: Execution, taken: set[int]
) -> Iterator[tuple[Entry, Entry | None, list[Any]]]:
    """Yield entries, each with the counterpart that comes to its place."""
    for at, entry in enumerate(former):
        taken.add(id(entry))
        instead = counterparts[at] if at < len(counterparts) else None
        yield entry, instead, execution.record


def _is_one_for_one(keys: frozenset[Key], former: list[Entry], new: list[Entry]) -> bool:
    """Whether entries match; requests make instances as well, so these must be as many."""
    return all(key.is_unique for key in keys) or len(former) == len(new)


def _registrations(container: Any) -> list[Entry]:
    """Return the entries of a container that may be registrations.

    A weak reference without a callback is none: what only watches an object keeps nothing.
    """
    return [
        entry
        for entry in entries_of(container)
        if not issubclass(type(entry.held), weakref.ReferenceType)
        or entry.held.__callback__ is not None
    ]
