"""The objects that executions of live modules made, and the names that two executions share.

These are functions with the module's globals, its classes, and instances of its classes.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from functools import lru_cache
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    ModuleType,
    TracebackType,
)
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CONTAINERS = (dict, list, set, deque)
# What these refer to is work in progress, or was computed and may be computed again. The collector
# knows of it, but it is no registry; the dict of an `lru_cache` must not be written to.
COUNTED = (AsyncGeneratorType, CoroutineType, GeneratorType, type(lru_cache(len)))
_RUNNING = (*COUNTED, FrameType, TracebackType)
# What these hold is work in progress or a thread's own; the caches of ABCs are memos.
_AT_WORK = frozenset(
    {
        ("_abc", "_abc_data"),
        ("_asyncio", "Future"),
        ("asyncio.events", "AbstractEventLoop"),
        ("asyncio.events", "Handle"),
        ("asyncio.futures", "Future"),
        ("builtins", "BaseException"),
        ("concurrent.futures._base", "Executor"),
        ("concurrent.futures._base", "Future"),
        ("concurrent.futures.thread", "_WorkItem"),
        ("threading", "Thread"),
        ("weakref", "finalize"),
    }
)
_OURS = "transfuse."


class Key(NamedTuple):
    """A name that objects of two executions share: ``("shop.mail", "function", "on_sold")``."""

    module: str
    kind: str
    name: str

    @property
    def is_unique(self) -> bool:
        """Whether an execution makes one object of this name."""
        return self.kind != "instance" and "<" not in self.name


class Execution(NamedTuple):
    """An execution of a live module, as the core passes it.

    Attributes:
        module: the module object.
        record: the entries that were taken out when it was superseded.
        preserved: the names that it carries.
    """

    module: ModuleType
    record: list[Any]
    preserved: list[str]


class Made:
    """Recognizes the objects that executions made.

    Attributes:
        names: id of a namespace -> the name of its module.
        classes: ids of the classes.
    """

    def __init__(self, executions: list[Execution], others: list[Execution]) -> None:
        """Take the executions of one side.

        A class that another execution of the same module has as well was carried. One that
        another module has was only imported there.
        """
        self.names = {id(vars(one.module)): one.module.__name__ for one in executions}
        of_module: dict[str, list[Execution]] = defaultdict(list)
        for one in others:
            of_module[one.module.__name__].append(one)
        self.classes = set[int]()
        for one in executions:
            carried = values_of(of_module.get(one.module.__name__, ()))
            self.classes.update(
                id(each) for each in _classes(one.module) if id(each) not in carried
            )

    def key(self, each: Any) -> Key | None:
        """Return the key of an object that they made; None for any other object."""
        kind = type(each)
        if kind is FunctionType:
            name = self.names.get(id(each.__globals__))
            return Key(name, "function", each.__qualname__) if name is not None else None
        if id(each) in self.classes:
            return Key(each.__module__, "class", each.__qualname__)
        if id(kind) in self.classes and not is_passed_by(each):
            return Key(kind.__module__, "instance", kind.__qualname__)
        return None


def values_of(executions: Iterable[Execution]) -> set[int]:
    """Return the ids of the values of their names."""
    return {id(value) for one in executions for value in list(vars(one.module).values())}


def _classes(module: ModuleType) -> Iterator[type]:
    """Yield the classes that a module defines, and those defined in these."""
    waiting: list[Any] = [vars(module)]
    seen = set()
    while waiting:
        for value in list(waiting.pop().values()):
            if (
                issubclass(type(value), type)
                and value.__module__ == module.__name__
                and id(value) not in seen
            ):
                seen.add(id(value))
                yield value
                waiting.append(vars(value))


def is_passed_by(each: Any) -> bool:
    """Whether references from an object do not count: a frame, a task, a thread, a module."""
    return are_passed_by(type(each))


def are_passed_by(kind: type) -> bool:
    """The same, of the instances of a type."""
    if issubclass(kind, (ModuleType, *_RUNNING)) or _module_of(kind).startswith(_OURS):
        return True
    return any((_module_of(base), base.__qualname__) in _AT_WORK for base in kind.__mro__)


def _module_of(kind: type) -> str:
    """Return the name of a class's module; a property of that name is its instances'."""
    name: object = kind.__module__
    return name if isinstance(name, str) else ""


def is_container(each: Any) -> bool:
    """Whether entries can be taken out of an object and put back."""
    kind = type(each)
    return issubclass(kind, CONTAINERS) and not is_namespace(each) and not is_of_class(each)


def is_namespace(each: Any) -> bool:
    """Whether it is the namespace of a module."""
    return type(each) is dict and "__name__" in each and "__spec__" in each


def is_of_class(each: Any) -> bool:
    """Whether it is the namespace of a class."""
    return type(each) is dict and "__module__" in each and "__doc__" in each


def is_live(namespace: dict[str, Any]) -> bool:
    """Whether it is the namespace of a live module."""
    return type(namespace.get("__loader__")).__module__.startswith(_OURS)


def is_foreign_name(name: Any) -> bool:
    """Whether a foreign module has this name."""
    module = sys.modules.get(name) if isinstance(name, str) else None
    # Not `isinstance`: a facade answers from the caller's generation.
    return module is not None and not type(module).__module__.startswith(_OURS)


def is_attributes_of(each: Any, owner: Any) -> bool:
    """Whether a dict holds the attributes of an object."""
    if issubclass(type(owner), type) or not getattr(type(owner), "__dictoffset__", 0):
        return False
    try:
        return object.__getattribute__(owner, "__dict__") is each
    except AttributeError:
        return False
