"""The policy `patch`: functions take new code and stay the functions they are."""

from __future__ import annotations

import gc
from types import FunctionType
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran


def _patched(tree: LiveTree, before: str, after: str, **more: Any) -> tuple[Any, Any]:
    """The module as it was taken before the update, and what its names stood for then."""
    tree.write({"prices.py": before})
    tree.install(policy="patch", **more)
    module = tree.module("prices")
    names = dict(vars(module))
    tree.published({"prices.py": after})
    assert tree.module("prices") is module
    return module, names


def test_a_function_takes_the_new_code(tree: LiveTree) -> None:
    module, old = _patched(tree, "def of(sku): return 1\n", "def of(sku): return 2 + len(sku)\n")
    assert module.of is old["of"]
    assert old["of"]("ab") == 4


def test_defaults_annotations_and_documentation_are_the_new_ones(tree: LiveTree) -> None:
    _, old = _patched(
        tree,
        'def of(sku: str, count=1, *, currency="EUR"):\n'
        '    "Old."\n    return sku, count, currency\n',
        'def of(sku: int, count=2, *, currency="CHF") -> tuple:\n'
        '    "New."\n    return sku, count, currency\n',
    )
    of = old["of"]
    assert of(1) == (1, 2, "CHF")
    assert of.__annotations__ == {"sku": int, "return": tuple}
    assert of.__doc__ == "New."


def test_p11_a_lazy_object_is_not_evaluated(tree: LiveTree) -> None:
    source = """
        class Lazy:
            @property
            def __class__(self): raise LookupError("not ready")

            def get(self): return {}

        LAZY = Lazy()
        """
    module, old = _patched(tree, source.format(1), source.format(2))
    assert module.Lazy is old["Lazy"]
    assert module.LAZY.get() == 2


def test_annotations_that_are_gone_are_gone(tree: LiveTree) -> None:
    before = "def of(sku: str): ...\nSEEN = of.__annotations__\n"
    _, old = _patched(tree, before, "def of(sku): ...\n")
    assert old["of"].__annotations__ == {}


def test_a_refused_change_leaves_the_annotations(tree: LiveTree) -> None:
    before = "def of(sku: str): ...\nSEEN = of.__annotations__\n"
    tree.write({"prices.py": before, "web.py": "import prices\n"})
    tree.install(policy="patch")
    of = tree.module("prices").of
    tree.module("web")
    assert (
        tree.update({"prices.py": "def of(sku): ...\n", "web.py": "1 / 0\n"}).outcome == "refused"
    )
    assert of.__annotations__ == {"sku": str}


def test_a_new_function_and_an_old_one_see_each_other(tree: LiveTree) -> None:
    _, old = _patched(
        tree,
        "def of(): return 1\n",
        "def of(): return base() + RATE\ndef base(): return RATE\nRATE = 10\n",
    )
    assert old["of"]() == 20


def test_what_left_the_source_is_gone(tree: LiveTree) -> None:
    module, _ = _patched(tree, "def of(): ...\ndef gone(): ...\nX = 1\n", "def of(): ...\n")
    assert not hasattr(module, "gone")
    assert not hasattr(module, "X")


def test_data_is_new_unless_it_is_preserved(tree: LiveTree) -> None:
    source = """
    __preserve__ = ["cache"]
    cache = {{}}
    limits = {}
    late = globals().get("late", 0) + 1
    """
    module, old = _patched(
        tree,
        source.format("{1: 1}"),
        source.format("{2: 2}"),
    )
    assert module.cache is old["cache"]
    assert module.limits == {2: 2}
    assert module.late == 2


def test_a_closure_takes_code_and_contents(tree: LiveTree) -> None:
    source = """
    def make(rate):
        def of(price): return price * rate {more}
        return of
    of = make({rate})
    """
    module, old = _patched(tree, source.format(rate=2, more=""), source.format(rate=3, more="+ 1"))
    assert module.of is old["of"]
    assert old["of"](10) == 31


def test_a_closure_over_other_variables_is_replaced_and_reported(tree: LiveTree) -> None:
    tree.write({"prices.py": "def make(a):\n    return lambda: a\nof = make(1)\n"})
    tree.install(policy="patch")
    module = tree.module("prices")
    old = module.of
    report = tree.published(
        {"prices.py": "def make(a, b):\n    return lambda: (a, b)\nof = make(1, 2)\n"}
    )
    assert (module.of(), old()) == ((1, 2), 1)
    (note,) = report.notes
    assert (note.name, note.what.startswith("of closes over other variables")) == ("prices", True)


def test_what_a_decorator_wrapped_stays_wrapped(tree: LiveTree) -> None:
    tree.write(
        {
            "tools.py": """
            import functools
            def doubled(function):
                @functools.wraps(function)
                def wrapper(*args): return 2 * function(*args)
                return wrapper
            """
        }
    )
    source = "from tools import doubled\n@doubled\ndef of(x): return x + {}\n"
    module, old = _patched(tree, source.format(1), source.format(2))
    assert module.of is old["of"]
    assert old["of"](1) == 6


def test_a_cached_function_forgets_what_the_old_code_computed(tree: LiveTree) -> None:
    source = "import functools\n@functools.lru_cache\ndef of(x): return x + {}\n"
    tree.write({"prices.py": source.format(1)})
    tree.install(policy="patch")
    of = tree.module("prices").of
    assert of(1) == 2
    tree.published({"prices.py": source.format(10)})
    assert of(1) == 11
    assert tree.module("prices").of is of


def test_a_registry_of_the_module_holds_the_functions_that_stayed(tree: LiveTree) -> None:
    source = """
    HANDLERS = {{}}
    def handler(function):
        HANDLERS[function.__name__] = function
        return function
    @handler
    def show(): return {}
    """
    module, old = _patched(tree, source.format(1), source.format(2))
    assert module.HANDLERS == {"show": old["show"]}
    assert module.HANDLERS["show"]() == 2


def test_a_generic_function_dispatches_to_the_new_code(tree: LiveTree) -> None:
    source = """
    import functools
    @functools.singledispatch
    def show(x): return "other"
    @show.register
    def _(x: int): return {}
    """
    module, old = _patched(tree, source.format('"old"'), source.format('"new"'))
    assert module.show is old["show"]
    assert (old["show"](1), old["show"]("")) == ("new", "other")


def test_importers_need_not_run_and_see_the_new_code(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": '__reload__ = "patch"\ndef of(): return 1\n',
            "web.py": "from prices import of\ndef page(): return of()\n",
        }
    )
    tree.install()
    page = tree.module("web").page
    report = tree.published({"prices.py": '__reload__ = "patch"\ndef of(): return 2\n'})
    assert ran(report) == ["prices"]
    assert page() == 2


def test_an_importer_in_the_same_update_gets_what_is_new(tree: LiveTree) -> None:
    tree.write(
        {
            "prices.py": '__reload__ = "patch"\ndef of(): return 1\n',
            "web.py": "from prices import of\ntotal = of()\n",
        }
    )
    tree.install()
    of = tree.module("prices").of
    tree.module("web")
    tree.published(
        {
            "prices.py": '__reload__ = "patch"\ndef of(): return 2\ndef tax(): return 3\n',
            "web.py": "from prices import of, tax\ntotal = of() + tax()\n",
        }
    )
    web = tree.module("web")
    assert web.total == 5
    assert web.of is of
    assert web.tax is tree.module("prices").tax


def test_p4_a_failure_elsewhere_takes_the_new_code_back(tree: LiveTree) -> None:
    before = '__reload__ = "patch"\nX = 1\ndef of(a=1): return X\ndef gone(): ...\n'
    tree.write({"prices.py": before, "web.py": "from prices import of\n"})
    tree.install()
    tree.module("web")
    module = tree.module("prices")
    names, code = dict(vars(module)), module.of.__code__
    report = tree.update(
        {
            "prices.py": '__reload__ = "patch"\nX = 2\n'
            "def of(a=2): return 2 * X\ndef more(): ...\n",
            "web.py": "from prices import of, more\nraise ValueError(of())\n",
        }
    )
    assert report.outcome == "refused"
    assert str(report.error) == "4"
    assert vars(module) == names
    assert (module.of.__code__, module.of.__defaults__, module.of()) == (code, (1,), 1)
    tree.published({"web.py": "from prices import of, more\n"})
    assert module.of() == 4


def test_p4_a_failure_in_the_module_itself_changes_nothing(tree: LiveTree) -> None:
    tree.write({"prices.py": "def of(): return 1\n"})
    tree.install(policy="patch")
    module = tree.module("prices")
    names = dict(vars(module))
    report = tree.update({"prices.py": "def of(): return 2\nX = 1\nX / 0\n"})
    assert report.outcome == "refused"
    assert vars(module) == names
    assert module.of() == 1


def test_a_rollback_brings_the_old_code_back_in_place(tree: LiveTree) -> None:
    module, old = _patched(tree, "def of(): return 1\n", "def of(): return 2\nX = 1\n")
    assert old["of"]() == 2
    report = transfuse.rollback()
    assert report.outcome == "rolled back", report.traceback
    assert tree.module("prices") is module
    assert (module.of is old["of"], module.of(), hasattr(module, "X")) == (True, 1, False)
    tree.published({"prices.py": "def of(): return 3\n"})
    assert old["of"]() == 3


def test_migrate_converts_the_state_and_dispose_is_not_called(tree: LiveTree, outside: Any) -> None:
    module, _ = _patched(
        tree,
        "import outside\nunits = 5\ndef __dispose__(): outside.ran.append('disposed')\n",
        "import outside\nunits = 0\n"
        "def __migrate__(previous):\n    global units\n    units = previous['units'] * 100\n",
    )
    assert module.units == 500
    assert outside.ran == []


def test_another_policy_afterwards_makes_a_new_module(tree: LiveTree) -> None:
    module, old = _patched(
        tree, "def of(): return 1\n", '__reload__ = "patch"\ndef of(): return 2\n'
    )
    tree.published({"prices.py": '__reload__ = "fresh"\ndef of(): return 3\n'})
    assert tree.module("prices") is not module
    assert (old["of"](), tree.module("prices").of()) == (2, 3)


def test_many_updates_leave_nothing_behind(tree: LiveTree) -> None:
    tree.write({"prices.py": "def of(): return 0\nclass A:\n    def m(self): return 0\n"})
    tree.install(policy="patch", keep=1)
    module = tree.module("prices")
    a = module.A()

    def functions() -> int:
        gc.collect()
        return sum(isinstance(each, FunctionType) for each in gc.get_objects())

    counts = []
    for number in range(1, 31):
        tree.published(
            {
                "prices.py": f"def of(): return {number}\n"
                f"class A:\n    def m(self): return {number}\n"
            }
        )
        assert (module.of(), a.m()) == (number, number)
        counts.append(functions())
    assert counts[-1] <= counts[5]


def test_i10_an_importer_that_copied_what_is_another_now_runs_too(tree: LiveTree) -> None:
    head = '__reload__ = "patch"\n'
    tree.write(
        {
            "conf.py": head + "RATE = 1000\nOTHER = 7000\ndef double(x): return 2 * x\n",
            "copies.py": "from conf import RATE as R\n",
            "computes.py": "import conf\nTWICE = conf.double(4)\n",
            "calls.py": "import conf\nfrom conf import double\n"
            "def go(): return double(conf.RATE)\n",
        }
    )
    tree.install()
    for name in ("copies", "computes", "calls"):
        tree.module(name)
    report = tree.published(
        {"conf.py": head + "RATE = 2000\nOTHER = 7000\ndef double(x): return 20 * x\n"}
    )
    assert sorted(ran(report)) == ["computes", "conf", "copies"]
    assert (tree.module("copies").R, tree.module("computes").TWICE) == (2000, 80)
    assert tree.module("calls").go() == 40000


def test_p3_modules_that_are_patched_together_change_at_one_instant(tree: LiveTree) -> None:
    tree.write(
        {
            "b.py": "class B:\n    def f(self, x): return x\n",
            "a.py": "import b\nfrom b import B\nclass A(B): pass\ndef call(): return A().f(1)\n",
        }
    )
    tree.install(policy="patch")
    a, b = tree.module("a"), tree.module("b")
    old = (a.A, b.B, a.A())
    tree.published(
        {
            "b.py": "class B:\n    def f(self, x, y): return x + y\nclass C: pass\n",
            "a.py": "import b\nfrom b import B, C\nclass A(B, C): pass\n"
            "def call(): return A().f(1, 2)\n",
        }
    )
    assert (a.call(), old[2].f(1, 1)) == (3, 2)
    assert (a.A, a.B, b.B, a.b) == (old[0], old[1], old[1], b)
    assert a.A.__mro__[:3] == (a.A, b.B, b.C)


@pytest.mark.parametrize("kind", ["package", "module"])
def test_a_package_can_be_patched_too(tree: LiveTree, kind: str) -> None:
    file = {"package": "shop/__init__.py", "module": "shop.py"}[kind]
    tree.write({file: "def of(): return 1\n", "shop/prices.py": "def tax(): return 1\n"})
    tree.install(policy="patch")
    shop = tree.module("shop")
    of = shop.of
    if kind == "package":
        prices = tree.module("shop.prices")
        tree.published({file: "def of(): return 2\n", "shop/prices.py": "def tax(): return 2\n"})
        assert shop.prices is prices
        assert prices.tax() == 2
    else:
        tree.published({file: "def of(): return 2\n"})
    assert (of(), tree.module("shop") is shop) == (2, True)
