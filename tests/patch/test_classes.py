"""The policy `patch`: objects made before behave as new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import LiveTree


def _patched(tree: LiveTree, before: str, after: str, make: str) -> tuple[Any, Any, list[str]]:
    """The module, what `make` gave before the update, and what was noted."""
    tree.write({"shop.py": before})
    tree.install(policy="patch")
    module = tree.module("shop")
    made = eval(make, {"shop": module})
    report = tree.published({"shop.py": after})
    return module, made, [note.what for note in report.notes]


def test_an_old_object_has_the_new_methods(tree: LiveTree) -> None:
    module, user, notes = _patched(
        tree,
        "class User:\n    def __init__(self, n): self.n = n\n    def hi(self): return 'hi1'\n"
        "    def gone(self): ...\n",
        "class User:\n    def __init__(self, n): self.n = n\n    def hi(self): return 'hi2'\n"
        "    def shout(self): return self.n.upper()\n    kind = 'new'\n",
        "shop.User('ann')",
    )
    assert (user.hi(), user.shout(), user.kind, hasattr(user, "gone")) == (
        "hi2",
        "ANN",
        "new",
        False,
    )
    assert type(user) is module.User
    assert notes == []


def test_static_and_class_methods_and_properties(tree: LiveTree) -> None:
    source = """
    import functools
    class A:
        @staticmethod
        def s(): return {n}
        @classmethod
        def c(cls): return (cls.__name__, {n})
        @property
        def p(self): return {n}
        @p.setter
        def p(self, value): self.got = value + {n}
        @functools.cached_property
        def q(self): return {n}
        class Inner:
            def i(self): return {n}
    """
    _, (a, s, inner), _ = _patched(
        tree, source.format(n=1), source.format(n=2), "(shop.A(), shop.A.s, shop.A.Inner())"
    )
    a.p = 10
    assert (a.s(), s(), a.c(), a.p, a.got, a.q) == (2, 2, ("A", 2), 2, 12, 2)
    assert inner.i() == 2


def test_super_and_a_new_base(tree: LiveTree) -> None:
    _, (b, taken), _ = _patched(
        tree,
        "class A:\n    def m(self): return ['A']\n"
        "class X:\n    def x(self): return 'x'\n"
        "class B(A):\n    def m(self): return ['B']\n",
        "class A:\n    def m(self): return ['A2']\n"
        "class X:\n    def x(self): return 'x2'\n"
        "class B(A, X):\n    def m(self): return [*super().m(), 'B2', self.x()]\n",
        "(lambda b: (b, b.m))(shop.B())",
    )
    assert b.m() == ["A2", "B2", "x2"]
    # A bound method that was taken before could not take code that closes over its class.
    assert taken() == ["B"]


def test_slots_that_stay_and_slots_that_change(tree: LiveTree) -> None:
    module, a, notes = _patched(
        tree,
        "class A:\n    __slots__ = ('x',)\n    def m(self): return 1\n",
        "class A:\n    __slots__ = ('x',)\n    def m(self): return 2\n",
        "shop.A()",
    )
    a.x = 5
    assert (a.m(), a.x, notes) == (2, 5, [])
    report = tree.published(
        {"shop.py": "class A:\n    __slots__ = ('x', 'y')\n    def m(self): return 3\n"}
    )
    assert (a.m(), module.A().m(), type(a) is module.A) == (2, 3, False)
    assert [note.what for note in report.notes] == [
        "A: its __slots__ changed, so the class was replaced: objects made before stay as they were"
    ]


def test_a_dataclass_with_one_more_field(tree: LiveTree) -> None:
    module, item, notes = _patched(
        tree,
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    sku: str\n",
        "from dataclasses import dataclass\n@dataclass\nclass Item:\n    sku: str\n"
        "    count: int = 7\n",
        "shop.Item('a')",
    )
    assert item == module.Item("a", 7)
    assert repr(item) == "Item(sku='a', count=7)"
    assert notes == []


def test_an_object_made_at_module_level_is_of_the_class_that_stays(tree: LiveTree) -> None:
    source = "class A:\n    def m(self): return {n}\nDEFAULT = A()\nALL = [A, (A, DEFAULT)]\n"
    module, (cls, default), _ = _patched(
        tree, source.format(n=1), source.format(n=2), "(shop.A, shop.DEFAULT)"
    )
    assert (type(module.DEFAULT), module.DEFAULT is default) == (cls, False)
    assert module.ALL == [cls, (cls, module.DEFAULT)]
    assert (default.m(), module.DEFAULT.m()) == (2, 2)


def test_subclasses_in_other_modules_inherit_the_new_code(tree: LiveTree) -> None:
    tree.write(
        {
            "base.py": '__reload__ = "patch"\nclass Base:\n    def m(self): return 1\n',
            "web.py": "from base import Base\nclass View(Base): pass\nview = View()\n",
        }
    )
    tree.install()
    view = tree.module("web").view
    tree.published({"base.py": '__reload__ = "patch"\nclass Base:\n    def m(self): return 2\n'})
    assert view.m() == 2


def test_abstract_classes(tree: LiveTree) -> None:
    source = """
    import abc
    class Shape(abc.ABC):
        @abc.abstractmethod
        def area(self): ...
    {more}
    class Square(Shape):
        def area(self): return {n}
    Shape.register({registered})
    """
    module, (shape, square), _ = _patched(
        tree,
        source.format(n=1, more="", registered="int"),
        source.format(n=2, more="    def name(self): return 'shape'\n", registered="str"),
        "(shop.Shape, shop.Square())",
    )
    assert isinstance(square, shape)
    assert (square.area(), square.name()) == (2, "shape")
    assert isinstance("", shape)
    assert module.Shape is shape


def test_enum_members_keep_their_identity(tree: LiveTree) -> None:
    module, (red, colour), notes = _patched(
        tree,
        "import enum\nclass Colour(enum.Enum):\n    RED = 1\n    BLUE = 2\n",
        "import enum\nclass Colour(enum.Enum):\n    RED = 5\n    GREEN = 3\n"
        "    def loud(self): return self.name + '!'\n",
        "(shop.Colour.RED, shop.Colour)",
    )
    assert module.Colour is colour
    assert (colour.RED is red, red.value, red.loud()) == (True, 5, "RED!")
    assert list(colour) == [red, colour.GREEN]
    assert (colour(3), colour["GREEN"], isinstance(colour.GREEN, colour)) == (
        colour.GREEN,
        colour.GREEN,
        True,
    )
    assert not hasattr(colour, "BLUE")
    assert notes == []


def test_members_that_are_numbers_cannot_change_their_value(tree: LiveTree) -> None:
    source = "import enum\nclass Level(enum.IntEnum):\n    LOW = {}\n{}"
    tree.write({"shop.py": source.format(1, "")})
    tree.install(policy="patch")
    low = tree.module("shop").Level.LOW
    assert tree.published({"shop.py": source.format(1, "    HIGH = 9\n")}).notes == ()
    level = tree.module("shop").Level
    assert (level.LOW is low, level.HIGH + 1, isinstance(level.HIGH, level)) == (True, 10, True)
    (note,) = tree.published({"shop.py": source.format(2, "")}).notes
    assert "LOW is itself its value, which changed, so the enum was replaced" in note.what
    assert (tree.module("shop").Level.LOW, low) == (2, 1)


def test_a_class_that_becomes_a_function_is_replaced(tree: LiveTree) -> None:
    module, old, _ = _patched(
        tree, "class A:\n    pass\ndef f(): ...\n", "def A(): return 1\nclass f: pass\n", "shop.A"
    )
    assert (module.A(), isinstance(old, type), isinstance(module.f, type)) == (1, True, True)


def test_a_base_that_cannot_be_exchanged_is_reported(tree: LiveTree) -> None:
    module, a, notes = _patched(
        tree,
        "class A:\n    def m(self): return 1\n",
        "class A(dict):\n    def m(self): return 2\n",
        "shop.A()",
    )
    assert (a.m(), module.A().m()) == (1, 2)
    assert len(notes) == 1
