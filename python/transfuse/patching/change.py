"""The changes to make in place, and the reverse of each step.

Steps are calls of C functions with their arguments, so that carrying them out runs no Python code
and no other thread sees half of them. They are applied in order and taken back in reverse.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CellType

    # A function and its arguments.
    Call = tuple[Any, ...]

_ABSENT = object()
_SET_CLASS = object.__dict__["__class__"].__set__


class Change:
    """A list of steps, and notes on changes that cannot be made in place.

    Attributes:
        steps: pairs of calls, ``((setattr, f, "__code__", new), (setattr, f, "__code__", old))``.
        notes: module and sentence, for the report.
        changed: module -> its names that mean something else afterwards. A class that stays is none
            of them: its objects behave as new.
        replaced: module -> the objects that its names no longer refer to.
        code: the code objects of functions that take other code: frames of theirs go on.
    """

    def __init__(self) -> None:
        self.steps: list[tuple[Call, Call]] = []
        self.notes: list[tuple[str, str]] = []
        self.changed: defaultdict[str, set[str]] = defaultdict(set)
        self.replaced: defaultdict[str, list[object]] = defaultdict(list)
        self.code: list[Any] = []

    def put(self, namespace: dict[Any, Any], key: Any, value: object) -> None:
        """Set an entry of a dict."""
        old = namespace.get(key, _ABSENT)
        if old is _ABSENT:
            self._add((dict.__setitem__, namespace, key, value), (dict.__delitem__, namespace, key))
        elif old is not value:
            self._add(
                (dict.__setitem__, namespace, key, value), (dict.__setitem__, namespace, key, old)
            )

    def drop(self, namespace: dict[Any, Any], key: Any) -> None:
        """Delete an entry of a dict."""
        back = (dict.__setitem__, namespace, key, namespace[key])
        self._add((dict.__delitem__, namespace, key), back)

    def replace(self, items: list[Any], index: int, value: object) -> None:
        """Set an item of a list."""
        back = (list.__setitem__, items, index, items[index])
        self._add((list.__setitem__, items, index, value), back)

    def exchange(self, members: set[Any], old: object, new: object) -> None:
        """Put another member into a set in place of one."""
        self._add((set.discard, members, old), (set.add, members, old))
        self._add((set.add, members, new), (set.discard, members, new))

    def attribute(self, owner: object, name: str, value: object) -> None:
        """Set an attribute that the owner has."""
        old = getattr(owner, name)
        if old is not value:
            self._add((setattr, owner, name, value), (setattr, owner, name, old))

    def kind(self, owner: object, value: type) -> None:
        """Set the class of an object, which may have a `__class__` of its own."""
        self._add((_SET_CLASS, owner, value), (_SET_CLASS, owner, type(owner)))

    def annotations(self, old: Any, new: Any) -> None:
        """Give a function the annotations of another, without evaluating them (PEP 649)."""
        before, after = getattr(old, "__annotate__", None), getattr(new, "__annotate__", None)
        # Setting one of the two attributes empties the other.
        forth: Call = (setattr, old, "__annotate__", after)
        if after is None:
            forth = (setattr, old, "__annotations__", new.__annotations__)
        back: Call = (setattr, old, "__annotate__", before)
        if before is None:
            back = (setattr, old, "__annotations__", old.__annotations__)
        self._add(forth, back)

    def class_attribute(self, owner: type, name: str, value: object) -> None:
        """Set an attribute of a class, past its metaclass."""
        old = owner.__dict__.get(name, _ABSENT)
        if old is value:
            return
        back: Call = (type.__delattr__, owner, name)
        if old is not _ABSENT:
            back = (type.__setattr__, owner, name, old)
        self._add((type.__setattr__, owner, name, value), back)

    def drop_class_attribute(self, owner: type, name: str) -> None:
        """Delete an attribute of a class."""
        back = (type.__setattr__, owner, name, owner.__dict__[name])
        self._add((type.__delattr__, owner, name), back)

    def cell(self, cell: CellType, value: object) -> None:
        """Set the value of a closure's cell."""
        try:
            old = cell.cell_contents
        except ValueError:
            self._add((setattr, cell, "cell_contents", value), (delattr, cell, "cell_contents"))
            return
        if old is not value:
            self._add(
                (setattr, cell, "cell_contents", value), (setattr, cell, "cell_contents", old)
            )

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """Call something that nothing needs to take back, such as emptying a cache."""
        self._add((function, *arguments), (bool,))

    def note(self, module: str, text: str) -> None:
        """Note a change that cannot be made in place."""
        if (module, text) not in self.notes:
            self.notes.append((module, text))

    def settle(self, standing: Callable[[Any], Any]) -> None:
        """Have each step set the object that replaces its value, now that all is compared."""
        self.steps = [((*forth[:-1], standing(forth[-1])), back) for forth, back in self.steps]

    def _add(self, forth: Call, back: Call) -> None:
        self.steps.append((forth, back))
