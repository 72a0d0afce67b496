"""The standard library looks classes up by name, in both generations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.two_generations import each_finds_its_own

if TYPE_CHECKING:
    from conftest import LiveTree

BASE = "class Tea:\n    WHICH = @\n    def __init__(self, which=@): self.which = which\n"
STORIES = {
    "get_type_hints": """
        from __future__ import annotations
        import typing, base
        if typing.TYPE_CHECKING:
            pass
        class Pot:
            tea: Tea
            also: base.Tea
            self: Pot
        def pour(pot: Pot, tea: "Tea") -> typing.Optional[Tea]: ...
        from base import Tea
        def ask():
            hints, more = typing.get_type_hints(Pot), typing.get_type_hints(pour)
            assert hints["self"] is Pot is more["pot"]
            return [hints["tea"].WHICH, hints["also"].WHICH, more["tea"].WHICH,
                    typing.get_args(more["return"])[0].WHICH]
        """,
    "dataclass": """
        from __future__ import annotations
        import dataclasses, typing
        from base import Tea
        WHICH = @
        @dataclasses.dataclass(order=True)
        class Pot:
            known: typing.ClassVar[int] = @
            size: int = @
            tea: Tea = dataclasses.field(default_factory=Tea)
        @dataclasses.dataclass
        class Big(Pot):
            more: dataclasses.InitVar[int] = @
            def __post_init__(self, more): self.kept = more
        def ask():
            pot, copy = Big(), dataclasses.replace(Pot(), size=Pot.known)
            made = dataclasses.make_dataclass("Made", [("tea", "Tea")], namespace={"w": WHICH})
            assert [field.name for field in dataclasses.fields(Pot)] == ["size", "tea"]
            assert "known" not in dataclasses.asdict(copy)
            assert Pot() < Pot(size=10)
            return [pot.size, pot.tea.WHICH, pot.kept, copy.size, made(1).w,
                    dataclasses.fields(Pot)[0].default, typing.get_type_hints(Pot)["tea"].WHICH]
        """,
    "enum": """
        import enum, pickle
        class Size(enum.IntEnum):
            SMALL = @
            LARGE = SMALL + 10
        class Flags(enum.Flag):
            ONE = enum.auto()
        Made = enum.Enum("Made", {"VALUE": @}, module=__name__)
        def ask():
            again = pickle.loads(pickle.dumps(Size.SMALL))
            assert again is Size.SMALL and Size["SMALL"] is Size(@)
            assert isinstance(Flags.ONE | Flags.ONE, Flags)
            assert pickle.loads(pickle.dumps(Made.VALUE)) is Made.VALUE
            return [again.value, Size.LARGE - 10, Made.VALUE.value]
        """,
    "namedtuple and TypedDict": """
        import collections, pickle, typing
        Point = collections.namedtuple("Point", "x y", defaults=[@])
        class Typed(typing.NamedTuple):
            x: int = @
        class Options(typing.TypedDict, total=False):
            tea: "Tea"
        from base import Tea
        def ask():
            point = pickle.loads(pickle.dumps(Point(@)))
            assert type(point) is Point and type(pickle.loads(pickle.dumps(Typed()))) is Typed
            return [*point, Typed().x, typing.get_type_hints(Options)["tea"].WHICH]
        """,
    "singledispatch": """
        import functools
        from base import Tea
        from kinds import which
        class Own(Tea): pass
        @which.register
        def _(value: Own): return @
        class Holder:
            @functools.singledispatchmethod
            def of(self, value): return 0
            @of.register
            def _(self, value: Tea): return @
        def ask():
            return [which(Own()), which(Tea()), Holder().of(Tea()), Holder().of(Own())]
        """,
    "abc": """
        import abc, collections.abc
        from base import Tea
        class Pourable(abc.ABC):
            WHICH = @
            @abc.abstractmethod
            def pour(self): ...
            @classmethod
            def __subclasshook__(cls, other): return NotImplemented
        class Cup(Pourable):
            def pour(self): return @
        Pourable.register(Tea)
        class Bag(collections.abc.Mapping):
            def __getitem__(self, key): return @
            def __iter__(self): return iter([1])
            def __len__(self): return @
        def ask():
            assert isinstance(Tea(), Pourable) and issubclass(Cup, Pourable)
            return [Cup().pour(), len(Bag()), *Bag().values(), Tea().which]
        """,
    "Protocol and generics": """
        import typing
        from base import Tea
        T = typing.TypeVar("T", bound="Tea")
        class Box(typing.Generic[T]):
            def __init__(self, it: T): self.it = it
        @typing.runtime_checkable
        class HasWhich(typing.Protocol):
            which: int
        class Brew(Box[Tea]): pass
        def ask():
            assert isinstance(Tea(), HasWhich)
            return [Box[Tea](Tea()).it.which, typing.get_args(Brew.__orig_bases__[0])[0].WHICH]
        """,
    "pickle, copy, copyreg": """
        import copy, copyreg, io, pickle
        import base
        class Slots:
            __slots__ = ("value",)
            def __init__(self): self.value = @
        class Reduced:
            def __init__(self, value): self.value = value
            def __reduce__(self): return make, (self.value,)
        class Registered:
            value = @
        def make(value): return Reduced(value)
        def rebuild(value): return Registered()
        copyreg.pickle(Registered, lambda it: (rebuild, (it.value,)))
        class Outer:
            class Inner:
                value = @
        def ask():
            found = []
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
                for it in (Slots(), make(@), Registered(), Outer.Inner()):
                    again = pickle.loads(pickle.dumps(it, protocol))
                    assert type(again) is type(it)
                    found.append(again.value)
            for what in (base.Tea, make, Outer.Inner, base.Tea.__init__):
                assert pickle.loads(pickle.dumps(what)) is what
            tea = pickle.Unpickler(io.BytesIO(pickle.dumps(base.Tea()))).load()
            assert type(copy.copy(tea)) is type(copy.deepcopy(tea)) is base.Tea
            return [*found, tea.which, copy.deepcopy(tea).WHICH, copy.copy(make(@)).value]
        """,
    "functools and contextlib": """
        import contextlib, contextvars, functools
        from base import Tea
        var = contextvars.ContextVar("var", default=@)
        @functools.lru_cache
        def cached(of): return Tea().which
        @functools.wraps(cached)
        def wrapped(): return cached(1)
        @contextlib.contextmanager
        def open_it(): yield @
        class Lazy:
            @functools.cached_property
            def value(self): return Tea.WHICH
        def ask():
            with open_it() as opened:
                return [cached(0), wrapped(), opened, Lazy().value, var.get(),
                        functools.partial(cached, 0)()]
        """,
}


@pytest.mark.parametrize("story", STORIES)
def test_p2_classes_find_their_own(tree: LiveTree, policy: str, story: str) -> None:
    files = {
        "base.py": BASE,
        "kinds.py": "import functools\n@functools.singledispatch\ndef which(value): return @\n",
        "web.py": STORIES[story],
    }
    each_finds_its_own(tree, files, policy=policy)
