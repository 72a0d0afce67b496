"""What follows an import statement that has never run has not run either, and has kept nothing.

Functions import where module-level imports would form a circle, so a function often imports before
it uses what could have come from the edited module.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

CONFIG = "KIND = @\n"
FILES = {
    "shop/__init__.py": "",
    "shop/config.py": CONFIG.replace("@", "1"),
    "shop/api.py": "",
    "shop/other.py": "",
    "shop/cache.py": "kept = []\n",
    "shop/load.py": "def load():\n    from shop.config import KIND\n    return KIND\n",
    "app.py": "import shop.other\nimport shop.use\n",
}

# Functions that keep what they import after another import.
LATER = {
    "plain": """
        def fill():
            import shop.other
            from shop.config import KIND
            cache.kept[:] = [KIND]
        """,
    "relative": """
        def fill():
            from .other import __name__ as name
            from .config import KIND
            cache.kept[:] = [KIND]
        """,
    "of a package": """
        def fill():
            if cache:
                import shop.other as other, shop.api
                for one in range(1):
                    cache.kept[:] = [load.load()]
        """,
    "of another module": """
        def fill():
            import shop.other
            cache.kept[:] = [load.load()]
        """,
    "inner function": """
        def fill():
            import shop.other
            def inner():
                cache.kept[:] = [load.load()]
            inner()
        """,
}


def files(fill: str) -> dict[str, str]:
    use = "from shop import cache, load\ndef get():\n    from shop.config import KIND\n"
    return {**FILES, "shop/use.py": f"{use}    return KIND\n" + textwrap.dedent(fill)}


def edited(tree: LiveTree, kind: int) -> set[str]:
    return set(ran(tree.published({"shop/config.py": CONFIG.replace("@", str(kind))})))


@pytest.mark.parametrize("fill", LATER.values(), ids=LATER)
def test_p12_a_function_that_has_not_come_so_far_keeps_nothing(
    tree: LiveTree, policy: str, fill: str
) -> None:
    tree.write(files(fill))
    tree.install(policy=policy)
    use = tree.module("app").shop.use
    assert (use.get(), use.load.load()) == (1, 1)
    assert edited(tree, 2) == {"shop.config"}
    use.fill()
    assert tree.module("shop.cache").kept == [2]
    assert "shop.cache" in edited(tree, 3)


@pytest.mark.parametrize("fill", LATER.values(), ids=LATER)
@pytest.mark.parametrize("former", ["same text", "without the import"])
def test_p5_a_former_version_of_the_function_has_kept_it(
    tree: LiveTree, policy: str, fill: str, former: str
) -> None:
    first = fill.replace("import shop.other", "pass  #").replace("from .other import", "pass  #")
    tree.write(files(fill if former == "same text" else first))
    tree.install(policy=policy)
    use = tree.module("app").shop.use
    use.fill()
    use.load.load()
    tree.published({"shop/use.py": files(fill)["shop/use.py"] + "# edited\n"})
    use = tree.module("app").shop.use
    use.get()
    assert tree.module("shop.cache").kept == [1]
    assert "shop.cache" in edited(tree, 2)


# Functions that keep something although an import in them has not run.
PAST = {
    "condition": """
        def fill(other=False):
            if other:
                import shop.other
            cache.kept[:] = [load.load()]
        """,
    "loop": """
        def fill():
            for one in ():
                import shop.other
            cache.kept[:] = [load.load()]
        """,
    "failure": """
        def fill():
            try:
                1 / 0
                import shop.other
            except ZeroDivisionError:
                cache.kept[:] = [load.load()]
        """,
    "replaced": """
        import sys
        def fill():
            before, sys.modules["shop.other"] = sys.modules["shop.other"], sys
            try:
                import shop.other as other
            finally:
                sys.modules["shop.other"] = before
            cache.kept[:] = [load.load()]
        """,
    "first": """
        def fill():
            cache.kept[:] = [load.load()]
            import shop.missing
        """,
}


@pytest.mark.parametrize("fill", PAST.values(), ids=PAST)
def test_p5_another_way_leads_past_the_import(tree: LiveTree, policy: str, fill: str) -> None:
    tree.write({**files(fill), "shop/missing.py": "raise ImportError\n"})
    tree.install(policy=policy)
    use = tree.module("app").shop.use
    try:
        use.fill()
    except ImportError:
        assert "missing" in fill
    assert tree.module("shop.cache").kept == [1]
    assert "shop.cache" in edited(tree, 2)
