"""P8: an unused module is gone after one collection, whatever it consists of."""

from __future__ import annotations

import gc
import types
import typing
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

# Each refers from what it makes to the globals of the module, by a method or a function.
CONTENTS = {
    "dataclasses": """
        from dataclasses import dataclass, field
        @dataclass(order=True)
        class Tea:
            cups: list = field(default_factory=list)
            def pour(self): return Tea()
        TEA = Tea([Tea()])
        """,
    "an ABC that registers and is registered": """
        import collections.abc
        from abc import ABC, abstractmethod
        class Hot(ABC):
            @abstractmethod
            def pour(self): return Tea
        class Tea:
            def pour(self): return Tea
        Hot.register(Tea)
        collections.abc.Sized.register(Tea)
        collections.abc.Callable.register(Hot)
        assert isinstance(Tea(), Hot) and isinstance(Tea(), collections.abc.Sized)
        """,
    "enums": """
        import enum
        class Tea(enum.Enum):
            GREEN = 1
            def pour(self): return Tea
        class Flags(enum.Flag):
            HOT = enum.auto()
            SWEET = enum.auto()
            def pour(self): return Tea
        BOTH = Flags.HOT | Flags.SWEET
        """,
    "named tuples": """
        import collections, typing
        class Tea(typing.NamedTuple):
            cups: int = 1
            def pour(self): return Tea
        Cup = collections.namedtuple("Cup", "size")
        """,
    "protocols": """
        import typing
        @typing.runtime_checkable
        class Hot(typing.Protocol):
            def pour(self): return Tea
        class Tea:
            def pour(self): return Tea
        assert isinstance(Tea(), Hot) and issubclass(Tea, Hot)
        """,
    "typed dicts": """
        import typing
        class Tea(typing.TypedDict):
            cups: int
        class Pot(Tea, total=False):
            tea: Tea
        HINTS = typing.get_type_hints(Pot)
        def pour(tea: Tea) -> Pot: return {}
        """,
    "generics": """
        import typing
        T = typing.TypeVar("T")
        class Pot(typing.Generic[T]):
            def pour(self): return Pot
        class Tea:
            def pour(self): return Pot[Tea]
        class Big(Pot[Tea]): pass
        POT = Pot[Tea]()
        """,
    "aliases of typing": """
        import typing
        class Tea:
            def pour(self): return Tea
        Maybe = typing.Optional[Tea]
        Each = typing.Dict[str, typing.List[Tea]]
        Any = typing.Union[Tea, int, typing.Callable[[Tea], Tea]]
        Plain = dict[str, list[Tea]]
        def f(tea: Maybe) -> Each: ...
        HINTS = typing.get_type_hints(f)
        """,
    "overloads": """
        import typing
        # LINES
        @typing.overload
        def pour(tea: int) -> int: ...
        @typing.overload
        def pour(tea: str) -> str: ...
        def pour(tea): return tea
        """,
    "thread locals": """
        import threading
        class Tea:
            def pour(self): return Tea
        class Own(threading.local):
            def __init__(self): self.tea = Tea()
        local, own = threading.local(), Own()
        local.tea = own.tea
        """,
    "weak references": """
        import weakref
        class Tea:
            def pour(self): return Tea
        teas = weakref.WeakSet([Tea])
        names = weakref.WeakKeyDictionary({Tea: Tea})
        values = weakref.WeakValueDictionary({"tea": Tea})
        ref = weakref.ref(Tea, lambda _: Tea)
        """,
    "closures": """
        import functools
        def make(n):
            def inner(): return inner, n
            return inner
        one = make(make(1))
        @functools.lru_cache
        def cached(n): return one
        @functools.singledispatch
        def show(n): return cached(1)
        @show.register
        def _(n: int): return show
        show(cached(2))
        """,
    "cycles with __del__": """
        class Tea:
            def __init__(self): self.me, self.bound = self, self.pour
            def pour(self): return Tea
            def __del__(self): self.again = Tea
        TEA = Tea()
        """,
    "generators and coroutines": """
        import contextvars
        def steps():
            me = yield
            yield me
        running = steps()
        next(running)
        running.send(running)
        variable = contextvars.ContextVar("tea", default=steps)
        """,
}


def executions(tree: LiveTree) -> int:
    """How many namespaces of `shop` there are after one collection."""
    gc.collect()
    modules = [each for each in gc.get_objects() if type(each) is types.ModuleType]
    path = str(tree.root / "shop.py")
    return sum(getattr(each, "__file__", None) == path for each in modules)


@pytest.mark.parametrize("kind", CONTENTS)
def test_p8_one_collection_is_enough(tree: LiveTree, policy: str, kind: str) -> None:
    tree.write({"shop.py": CONTENTS[kind]})
    tree.install(policy=policy, keep=0)
    tree.module("shop")
    for number in range(1, 6):
        # Every definition moves by a line, as edits do.
        tree.published({"shop.py": "\n" * number + CONTENTS[kind]})
        assert executions(tree) == 1
    assert transfuse.status().lingering == 0


@pytest.mark.parametrize("kind", CONTENTS)
def test_p8_nor_does_what_was_refused_stay(
    tree: LiveTree, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Log records have the error, and that has the frames; so has the last refused report.
    monkeypatch.setattr("logging.Logger.isEnabledFor", lambda *_: False)
    tree.write({"shop.py": CONTENTS[kind]})
    tree.install(policy="fresh", keep=0)
    tree.module("shop")
    for number in range(1, 6):
        report = tree.update({"shop.py": "\n" * number + CONTENTS[kind] + "1 / 0\n"})
        assert report.outcome == "refused"
    del report
    tree.reports.clear()
    assert executions(tree) <= 2
    tree.published({"shop.py": CONTENTS[kind] + "# good\n"})
    assert executions(tree) == 1


@pytest.mark.skipif(not hasattr(typing, "get_overloads"), reason="from Python 3.11 on")
def test_p6_an_overload_that_left_the_source_is_not_told_of(tree: LiveTree) -> None:
    tree.write({"shop.py": CONTENTS["overloads"]})
    tree.install(policy="fresh", keep=0)
    told: Any = getattr(typing, "get_overloads")  # noqa: B009 - mypy knows Python 3.10
    assert len(told(tree.module("shop").pour)) == 2
    tree.published({"shop.py": "\n" + CONTENTS["overloads"]})
    assert len(told(tree.module("shop").pour)) == 2
