"""Packages: what they re-export, what they turn into, and portions in several places."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import Worker
from support.two_generations import at, each_finds_its_own, foreign_code_finds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree


def test_p2_a_package_that_re_exports(tree: LiveTree, policy: str) -> None:
    files = {
        "shop/__init__.py": """
            from .prices import TEA as TEA, Tea
            from .prices import *
            from . import prices as _prices
            from .deep import inner
            __all__ = ['TEA', 'Tea', 'inner']
            """,
        "shop/prices.py": "TEA = @\nMILK = @\nclass Tea:\n    PRICE = @\n",
        "shop/deep/__init__.py": "from .inner import DEEP\n",
        "shop/deep/inner.py": "DEEP = @\n",
        "web.py": """
            import shop
            from shop import TEA, Tea, inner, MILK
            from shop import *
            def ask():
                import shop as again
                from shop.deep import DEEP
                return [TEA, Tea.PRICE, shop.Tea().PRICE, inner.DEEP, MILK, shop._prices.TEA,
                        again.TEA, DEEP, shop.deep.DEEP, shop.deep.inner.DEEP]
            """,
    }
    each_finds_its_own(tree, files, policy=policy)


def test_p2_only_a_submodule_of_a_shared_package_changes(tree: LiveTree, policy: str) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/prices.py": "TEA = @\n",
        "web.py": """
            import shop.prices, sys
            def ask():
                return [shop.prices.TEA, getattr(shop, "prices").TEA,
                        sys.modules["shop"].prices.TEA,
                        shop.__dir__().count("prices") * shop.prices.TEA]
            """,
    }
    each_finds_its_own(tree, files, policy=policy)


MODULE = {"thing.py": "WHICH = @\nKIND = 'module'\n"}
PACKAGE = {
    "thing/__init__.py": "from .part import WHICH\nKIND = 'package'\n",
    "thing/part.py": "WHICH = @\n",
}
WEB = {
    "web.py": """
        import thing
        def ask():
            import thing as again
            try:
                from thing.part import WHICH as part
            except ImportError:
                part = None
            return thing.KIND, again.WHICH, part
        """
}


def test_p2_a_module_turns_into_a_package_and_back(tree: LiveTree, policy: str) -> None:
    tree.write({**WEB, **at(MODULE, 1)})
    tree.install(policy=policy)

    def ask() -> Any:
        return tree.module("web").ask()

    first = tree.module("web").ask
    with transfuse.pin():
        tree.delete("thing.py")
        tree.published(at(PACKAGE, 2))
        assert ("module", 1, None) == ask() == first()
        assert Worker(ask).result() == ("package", 2, 2)
    assert ask() == ("package", 2, 2)
    assert "part" in vars(tree.module("thing"))
    second = tree.module("web").ask
    with transfuse.pin():
        tree.delete("thing/__init__.py", "thing/part.py")
        tree.published(at(MODULE, 3))
        assert ("package", 2, 2) == ask() == second()
        assert Worker(ask).result() == ("module", 3, None)
        assert Worker(second).result() == ("package", 2, 2)
    assert ask() == ("module", 3, None)
    assert not hasattr(tree.module("thing"), "__path__")
    assert not hasattr(tree.module("thing"), "part")
    assert first() == ("module", 1, None)


def test_p2_a_package_beside_a_module_wins_as_in_python(tree: LiveTree) -> None:
    tree.write({**WEB, **at(MODULE, 1)})
    tree.install()
    assert tree.module("web").ask() == ("module", 1, None)
    tree.published(at(PACKAGE, 2))
    assert tree.module("web").ask() == ("package", 2, 2)
    tree.delete("thing/__init__.py", "thing/part.py")
    tree.published()
    assert tree.module("web").ask() == ("module", 1, None)


@pytest.mark.parametrize("deleted", [False, True])
def test_p2_a_regular_package_turns_into_a_namespace_package_and_back(
    tree: LiveTree, deleted: bool
) -> None:
    tree.write({"ns/__init__.py": "WHICH = 1\n", "ns/part.py": "WHICH = 1\n"})
    tree.write({"web.py": "import ns.part\ndef ask(): return ns.__file__, ns.part.WHICH\n"})
    tree.install()
    kept = tree.module("web").ask
    was = str(tree.root / "ns" / "__init__.py")
    assert kept() == (was, 1)
    tree.delete("ns/__init__.py")
    tree.published({"ns/part.py": "WHICH = 2\n"} if deleted else {})
    new = 2 if deleted else 1
    assert getattr(tree.module("ns"), "__file__", None) is None
    assert tree.module("ns.part").WHICH == new
    assert kept() == (was, 1)
    tree.published({"ns/__init__.py": "WHICH = 3\n"})
    assert tree.module("ns").__file__ == was
    assert tree.module("web").ns.WHICH == 3


@pytest.fixture
def roots(tree: LiveTree, tmp_path: Path) -> list[Path]:
    """Two roots of one program."""
    other = tmp_path / "more"
    other.mkdir()
    return [tree.root, other]


NAMESPACE = {
    "ns/one.py": "WHICH = @\n",
    "../more/ns/two.py": "WHICH = @\n",
    "../more/ns/deep/three.py": "WHICH = @\n",
    "web.py": """
        import ns.one, ns.two
        from ns.deep import three
        def ask():
            from ns import one, two
            import ns.deep.three
            return [ns.one.WHICH, ns.two.WHICH, three.WHICH, one.WHICH, two.WHICH,
                    ns.deep.three.WHICH]
        """,
}


def install_both(tree: LiveTree, roots: list[Path]) -> None:
    tree.unsubscribe()
    transfuse.install(roots=roots, watch=False)


def test_p2_a_namespace_package_over_several_roots(
    tree: LiveTree, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "install", lambda: install_both(tree, roots))
    each_finds_its_own(tree, NAMESPACE)
    assert [str(root / "ns") for root in roots] == list(tree.module("ns").__path__)


def test_p2_a_namespace_package_seen_by_foreign_code(
    tree: LiveTree, roots: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> Any:
        found: dict[str, Any] = {}
        exec("import ns.two\nfrom ns import one\nfrom ns.deep.three import WHICH", found)
        assert found["ns"].two.WHICH == found["one"].WHICH == found["WHICH"]
        return found["WHICH"]

    monkeypatch.setattr(tree, "install", lambda: install_both(tree, roots))
    foreign_code_finds(tree, NAMESPACE, ask)


LATER = """
    def later():
        import ns.two
        return ns.two.WHICH, list(ns.__path__)
    # @
    """


def test_p2_a_new_portion_is_of_the_generations_that_know_it(
    tree: LiveTree, roots: list[Path]
) -> None:
    tree.write(at({"ns/one.py": "WHICH = 1\n", "job.py": LATER}, 1))
    install_both(tree, roots)
    here, there = (str(root / "ns") for root in roots)
    ns = tree.module("ns")
    tree.module("ns.one")
    old = tree.module("job").later
    assert list(ns.__path__) == [here]
    with transfuse.pin():
        tree.published(at({"../more/ns/two.py": "WHICH = 2\n", "job.py": LATER}, 2))
        assert list(tree.module("ns").__path__) == [here]
        with pytest.raises(ModuleNotFoundError, match=r"ns\.two"):
            tree.module("ns.two")
        with pytest.raises(ModuleNotFoundError, match=r"ns\.two"):
            old()
        assert Worker(lambda: tree.module("job").later()).result() == (2, [here, there])
    assert tree.module("ns") is ns
    assert list(ns.__path__) == [here, there]
    with pytest.raises(ModuleNotFoundError, match=r"ns\.two"):
        old()


def test_p2_a_file_that_hides_another_hides_it_from_new_code_only(
    tree: LiveTree, roots: list[Path]
) -> None:
    late = "def ask():\n    import late, pkg.late as two\n    return late.WHICH, two.WHICH\n# @\n"
    pkg = "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n"
    tree.write({"../more/late.py": "WHICH = 1\n", "../more/pkg/late.py": "WHICH = 1\n"})
    tree.write(at({"web.py": late, "pkg/__init__.py": pkg, "../more/pkg/__init__.py": ""}, 1))
    install_both(tree, roots)
    kept = tree.module("web").ask
    with transfuse.pin():
        tree.published(at({"web.py": late, "late.py": "WHICH = @", "pkg/late.py": "WHICH = @"}, 2))
        assert (1, 1) == tree.module("web").ask() == kept()
    assert (tree.module("web").ask(), kept()) == ((2, 2), (1, 1))


def test_p6_a_namespace_package_goes_with_its_last_file(tree: LiveTree) -> None:
    tree.write({"ns/deep/one.py": "", "ns/two.py": "", "web.py": "import ns.two\n"})
    tree.install()
    kept = tree.module("web").ns
    tree.module("ns.deep.one")
    with transfuse.pin():
        shutil.rmtree(tree.root / "ns" / "deep")
        tree.published()
        assert tree.module("ns.deep").__name__ == "ns.deep"
        with pytest.raises(ModuleNotFoundError, match=r"ns\.deep"):
            Worker(lambda: tree.module("ns.deep")).result()
    assert tree.module("ns") is kept
    shutil.rmtree(tree.root / "ns")
    assert tree.update().outcome == "refused"
    tree.published({"web.py": ""})
    for name in ("ns", "ns.two", "ns.deep"):
        with pytest.raises(ModuleNotFoundError, match="No module named 'ns"):
            tree.module(name)
    tree.published({"ns/two.py": "VALUE = 2\n"})
    assert tree.module("ns.two").VALUE == 2


def test_p6_and_with_the_last_file_that_nobody_had_loaded(tree: LiveTree) -> None:
    tree.write({"ns/unused.py": "", "web.py": "import ns\n"})
    tree.install()
    tree.module("web")
    shutil.rmtree(tree.root / "ns")
    assert tree.update().outcome == "refused"
    tree.published({"web.py": ""})
    with pytest.raises(ModuleNotFoundError, match="No module named 'ns'"):
        tree.module("ns")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder of foreign source, and afterwards `sys.path` as it was."""
    before = sys.path[:]
    yield tmp_path / "foreign"
    sys.path[:] = [entry for entry in sys.path if entry in before]


def test_a_namespace_package_follows_sys_path(tree: LiveTree, elsewhere: Path) -> None:
    tree.write({"ns/one.py": "", "../foreign/ns/far.py": "WHICH = 'far'\n"})
    tree.install()
    tree.module("ns.one")
    with pytest.raises(ModuleNotFoundError, match=r"ns\.far"):
        tree.module("ns.far")
    sys.path.append(str(elsewhere))
    assert tree.module("ns.far").WHICH == "far"
    assert [str(tree.root / "ns"), str(elsewhere / "ns")] == list(tree.module("ns").__path__)


def test_p2_a_live_portion_of_a_foreign_namespace_package(tree: LiveTree, elsewhere: Path) -> None:
    files = {
        "ns/one.py": "WHICH = @\n",
        "ns/deep/two.py": "WHICH = @\n",
        "../foreign/ns/far.py": "WHICH = 'far'\n",
        "../foreign/ns/deep/far.py": "WHICH = 'far'\n",
        "web.py": """
            import ns.one, ns.far
            from ns import one, far
            from ns.one import WHICH
            from ns.deep import two
            assert ns.far.WHICH == far.WHICH == 'far'
            taken = one.WHICH
            def ask():
                from ns import one as again
                import ns.deep.two
                return [WHICH, taken, one.WHICH, ns.one.WHICH, again.WHICH, two.WHICH,
                        ns.deep.two.WHICH]
            """,
    }
    sys.path.append(str(elsewhere))
    each_finds_its_own(tree, files)
    assert type(tree.module("ns").__path__).__module__ != "transfuse._core"


def test_the_path_of_a_namespace_package_is_as_pythons(tree: LiveTree, roots: list[Path]) -> None:
    tree.write({"ns/one.py": "", "../more/ns/two.py": ""})
    install_both(tree, roots)
    path = tree.module("ns").__path__
    here, there = (str(root / "ns") for root in roots)
    assert (len(path), path[0], there in path, [*path]) == (2, here, True, [here, there])
    assert repr(path) == f"_NamespacePath({[here, there]!r})"
    assert tree.module("ns").__spec__.submodule_search_locations is path
    path.append("/elsewhere")
    assert [*path] == [here, there, "/elsewhere"]


@pytest.mark.parametrize(
    "takes", ["import pack.part as taken", "from pack.part import *", "taken = None"]
)
def test_p5_a_package_that_loses_its_file_keeps_its_submodules(tree: LiveTree, takes: str) -> None:
    """Found by the model: what is a namespace package now lacked what stayed loaded."""
    tree.write(
        {
            "pack/__init__.py": "",
            "pack/part.py": "WHICH = 1\n",
            "web.py": f"""
                {takes}
                def ask():
                    import pack.part
                    return pack.part.WHICH, pack.__file__ is not None
                """,
        }
    )
    tree.install(policy="fresh")
    assert tree.module("web").ask() == (1, True)
    tree.delete("pack/__init__.py")
    tree.published()
    assert "pack" in sys.modules
    assert tree.module("web").ask() == (1, False)
    tree.published({"pack/__init__.py": ""})
    assert tree.module("web").ask() == (1, True)


def test_p5_a_namespace_package_looks_as_pythons(tree: LiveTree, policy: str) -> None:
    tree.write({"ns/one.py": "", "web.py": LOOK_AT_NAMESPACE})
    run = [sys.executable, "-B", "-c", "import web; print(web.seen)"]
    fresh = subprocess.run(run, cwd=tree.root, capture_output=True, text=True, check=True)
    tree.install(policy=policy)
    assert repr(tree.module("web").seen) == fresh.stdout.strip()


# `__builtins__` is what only modules have whose code has run.
LOOK_AT_NAMESPACE = """
import ns
seen = (sorted(vars(ns).keys() - {"__builtins__"}), ns.__file__, ns.__package__, ns.__doc__,
        ns.__spec__.origin, ns.__spec__.has_location, ns.__spec__.cached)
"""


def test_p5_a_package_that_runs_again_does_so_before_who_takes_it_from_its_submodule(
    tree: LiveTree,
) -> None:
    main = "import pack.sub.deep\ntry:\n    V = pack.sub.V\nexcept AttributeError:\n    V = None\n"
    files = {"pack/__init__.py": "", "pack/sub/__init__.py": "V = 1\n", "pack/sub/deep.py": ""}
    tree.write({**files, "main.py": main})
    tree.install(policy="fresh")
    assert tree.module("main").V == 1
    tree.published({"pack/sub/__init__.py": "V = 2\n"})
    assert tree.module("main").V == 2
