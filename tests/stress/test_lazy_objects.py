"""P11 for objects: what lies in a namespace is looked at, and not asked.

A lazy object is made when code asks it for anything, a proxy goes over a network, a mock
notes each question. An edit of the module beside it is no reason for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conftest import LiveTree

# As Django's SimpleLazyObject and Werkzeug's LocalProxy.
LAZY = """
    import outside
    class Lazy:
        @property
        def __class__(self):
            outside.ran.append("__class__")
            return type(self._made())
        @property
        def __dict__(self):
            outside.ran.append("__dict__")
            return {}
        def _made(self):
            return object()
        def __getattr__(self, name):
            outside.ran.append(name)
            raise AttributeError(name)
        def __eq__(self, other):
            outside.ran.append("__eq__")
            return NotImplemented
        def __hash__(self):
            outside.ran.append("__hash__")
            return 1
    class Meta(type):
        def __getattribute__(self, name):
            outside.ran.append("Meta." + name)
            return super().__getattribute__(name)
    def deco(f): return f
    """


def test_who_affects_whom_is_found_out_without_asking(tree: LiveTree, outside: Any) -> None:
    conf = "from lazy import Lazy, Meta, deco\nCONNECTION = Lazy()\nIN = [Lazy()]\nV = {0}\n"
    tree.write(
        {
            "lazy.py": LAZY,
            "conf.py": conf.format(1),
            "web.py": "import conf\nX = conf.V\n@conf.deco\ndef f(): pass\n",
        }
    )
    tree.install()
    tree.module("web")
    assert outside.ran == []
    tree.published({"conf.py": conf.format(2)})
    tree.published({"web.py": "import conf\nX = conf.CONNECTION\nY = conf.IN\n"})
    assert outside.ran == []


def test_p7_what_is_carried_is_not_asked(tree: LiveTree, outside: Any) -> None:
    make = "def make():\n    global made\n    made = Lazy()\n"
    m = f"from lazy import Lazy\n{make}own = Lazy()\nV = {{0}}\n"
    tree.write({"lazy.py": LAZY, "m.py": m.format(1)})
    tree.install()
    tree.module("m").make()
    made = tree.module("m").made
    tree.published({"m.py": m.format(2)})
    assert tree.module("m").made is made
    assert outside.ran == []


def test_p12_what_a_module_keeps_is_found_out_without_asking(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "lazy.py": LAZY,
            "impl.py": "V = 1\n",
            "m.py": """
            from lazy import Lazy
            POOL = {"a": [Lazy(), (Lazy(),)], "b": {frozenset(), 3}}
            def f():
                import impl
                return impl.V
            """,
        }
    )
    tree.install()
    m = tree.module("m")
    assert m.f() == 1
    tree.published({"impl.py": "V = 2\n"})
    assert tree.module("m") is m
    assert (m.f(), outside.ran) == (2, [])


def test_p6_what_wraps_a_function_is_still_code(tree: LiveTree) -> None:
    # In the dict of an instance, in that of a C object, and in a slot.
    x = """
        import functools
        class InDict:
            def __init__(self, f): functools.update_wrapper(self, f)
        class InSlot:
            __slots__ = ("__wrapped__", "__qualname_")
            def __init__(self, f): self.__wrapped__ = f
        @InDict
        def a(): return {0}
        @functools.lru_cache
        def b(): return {0}
        @InSlot
        def c(): return {0}
        class K:
            def m(self): return {0}
        """
    tree.write(
        {
            "x.py": x.format(1),
            "m.py": "def fill():\n    global a, b, c, K\n    from x import a, b, c, K\n",
        }
    )
    tree.install()
    tree.module("m").fill()
    tree.published({"x.py": x.format(2), "m.py": (tree.root / "m.py").read_text() + "N = 2\n"})
    m, now = tree.module("m"), tree.module("x")
    assert m.N == 2
    for name in ("a", "b", "K"):
        assert getattr(m, name, getattr(now, name)) is getattr(now, name), name
    # It does not say where it was made, so nothing stands for it, and old code is not carried.
    assert not hasattr(m, "c")
