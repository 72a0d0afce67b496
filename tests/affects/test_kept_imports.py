"""What a function imported and kept is stale after an edit, so its module runs too, wherever it is.

An import that keeps nothing is no reason to run: functions import where module-level imports would
form a circle, and the edit of a leaf must not run the application.
"""

from __future__ import annotations

import textwrap

import pytest

from conftest import LiveTree, ran
from kept_elsewhere import ELSEWHERE as STORED
from kept_imports import OBJECTS
from kept_modules import MODULES
from kept_numbers import ELSEWHERE, RETURNED, VALUES
from kept_unseen import UNSEEN
from kept_unseen_elsewhere import UNSEEN_ELSEWHERE
from not_kept import NOT_KEPT

CONFIG = """
    KIND = @
    class Settings:
        kind = KIND
        def me(self):
            return self
    """


def files(use: str) -> dict[str, str]:
    return {
        "shop/__init__.py": "",
        "shop/config.py": CONFIG.replace("@", "1"),
        "shop/api.py": "from shop.config import KIND, Settings\n",
        "shop/use.py": textwrap.dedent(use),
        "app.py": "from shop.use import get\n",
    }


def edited(tree: LiveTree, kind: int) -> list[str]:
    return ran(tree.published({"shop/config.py": CONFIG.replace("@", str(kind))}))


@pytest.mark.parametrize("use", OBJECTS.values(), ids=OBJECTS)
def test_p5_an_object_that_a_function_keeps(tree: LiveTree, policy: str, use: str) -> None:
    tree.write(files(use))
    tree.install(policy=policy)
    assert tree.module("app").get().kind == 1
    for kind in (2, 3):
        assert {"shop.use", "app"} <= set(edited(tree, kind))
        assert kind == tree.module("app").get().kind


PLAIN = {**VALUES, **UNSEEN, **MODULES}


@pytest.mark.parametrize("use", PLAIN.values(), ids=PLAIN)
def test_p5_a_plain_value_that_a_function_keeps(tree: LiveTree, policy: str, use: str) -> None:
    got = "get() if callable(get) else get"
    tree.write(
        {
            **files(use),
            "app.py": f"import shop.use\ndef get():\n    get = shop.use.get\n    return {got}\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert "shop.use" in edited(tree, kind)
        assert kind == tree.module("app").get()


@pytest.mark.parametrize(("use", "cache"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_p5_another_module_keeps_it(tree: LiveTree, policy: str, use: str, cache: str) -> None:
    tree.write({**files(use), "shop/cache.py": cache})
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert {"shop.cache", "shop.use", "app"} <= set(edited(tree, kind))
        assert kind == tree.module("app").get()


@pytest.mark.parametrize(("store", "use"), STORED.values(), ids=STORED)
def test_p5_what_a_function_puts_into_another_module(
    tree: LiveTree, policy: str, store: str, use: str
) -> None:
    tree.write({**files(use), "shop/store.py": textwrap.dedent(store)})
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert {"shop.store", "shop.use", "app"} <= set(edited(tree, kind))
        assert kind == tree.module("app").get()


@pytest.mark.parametrize("use", RETURNED.values(), ids=RETURNED)
def test_p5_a_caller_keeps_it(tree: LiveTree, policy: str, use: str) -> None:
    load = "def load():\n    from shop.config import KIND\n    return KIND\n"
    tree.write({**files(use), "shop/load.py": load})
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert set(edited(tree, kind)) == {"shop.config", "shop.use", "app"}
        assert kind == tree.module("app").get()


@pytest.mark.parametrize(("load", "use"), UNSEEN_ELSEWHERE.values(), ids=UNSEEN_ELSEWHERE)
def test_p5_a_user_of_another_module_keeps_it(
    tree: LiveTree, policy: str, load: str, use: str
) -> None:
    keeps = f"found = []\ndef get():\n    found.append({use})\n    return found[0]\n"
    tree.write({**files(f"from shop.load import reader\n{keeps}"), "shop/load.py": load})
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert {"shop.use", "app"} <= set(edited(tree, kind))
        assert kind == tree.module("app").get()


def test_p5_an_attribute_that_a_module_computes(tree: LiveTree, policy: str) -> None:
    load = "def __getattr__(name):\n    import shop.config\n    return getattr(shop.config, name)\n"
    use = """
        import shop.load
        found = []
        def get():
            if not found:
                found.append(shop.load.KIND)
            return found[0]
        """
    tree.write({**files(use), "shop/load.py": load})
    tree.install(policy=policy)
    assert tree.module("app").get() == 1
    for kind in (2, 3):
        assert "shop.use" in edited(tree, kind)
        assert kind == tree.module("app").get()


def test_p5_a_function_remembers_that_nothing_was_found(tree: LiveTree, policy: str) -> None:
    use = """
        found = None
        def get():
            global found
            if found is None:
                try:
                    from shop.extra import KIND
                    found = KIND
                except ImportError:
                    found = "none"
            return found
        """
    tree.write(files(use))
    tree.install(policy=policy)
    assert tree.module("app").get() == "none"
    for kind in (1, 2):
        assert "shop.use" in ran(tree.published({"shop/extra.py": f"KIND = {kind}\n"}))
        assert tree.module("app").get() == kind
    tree.delete("shop/extra.py")
    assert "shop.use" in ran(tree.published())
    assert tree.module("app").get() == "none"


@pytest.mark.parametrize("use", NOT_KEPT.values(), ids=NOT_KEPT)
def test_p12_nothing_is_kept(tree: LiveTree, policy: str, use: str) -> None:
    tree.write(files(use))
    tree.install(policy=policy)
    tree.module("shop.api")
    assert tree.module("app").get() == 1
    assert edited(tree, 2) == ["shop.config", "shop.api"]
    assert tree.module("app").get() == 2


LAZY_PACKAGE = """
    import importlib
    def __getattr__(name):
        try:
            module = importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError:
            raise AttributeError(name) from None
        globals()[name] = module
        return module
    """


def test_p12_a_package_that_imports_its_submodules_when_they_are_asked_for(
    tree: LiveTree, policy: str
) -> None:
    get = "import shop\ndef get(): return shop.{0}.KIND\nget()\n"
    files = {"shop/__init__.py": LAZY_PACKAGE, "app.py": get.format("config")}
    tree.write({**files, "shop/config.py": "KIND = 1\n", "shop/other.py": "KIND = 1\n"})
    tree.write({"page.py": get.format("other")})
    tree.install(policy=policy)
    assert (tree.module("app").get(), tree.module("page").get()) == (1, 1)
    for kind in (2, 3):
        assert edited(tree, kind) == ["shop.config", "app"]
        assert (tree.module("app").get(), tree.module("page").get()) == (kind, 1)
    tree.delete("shop/other.py")
    assert tree.update().outcome == "refused"


def test_p6_a_deleted_module_is_not_kept(tree: LiveTree, policy: str) -> None:
    tree.write(files(OBJECTS["class attribute"]))
    tree.install(policy=policy)
    tree.module("app").get()
    tree.delete("shop/config.py")
    assert "shop.use" in ran(tree.update())
    with pytest.raises(ModuleNotFoundError, match=r"shop\.config"):
        tree.module("app").get()


@pytest.mark.parametrize("cached", ["@functools.cache\n", ""], ids=["cache", "dict"])
def test_p5_whether_a_module_exists(tree: LiveTree, policy: str, cached: str) -> None:
    use = f"""
import functools
from importlib.util import find_spec
found = {{}}
{cached}def get():
    if "extra" not in found:
        found["extra"] = find_spec("shop.extra") is not None
    return found["extra"]
"""
    tree.write({"shop/__init__.py": "", "use.py": use, "app.py": "import use\n"})
    tree.install(policy=policy)
    assert not tree.module("app").use.get()
    assert ran(tree.published({"shop/extra.py": ""})) == ["use", "app"]
    assert tree.module("app").use.get()
    tree.delete("shop/extra.py")
    assert ran(tree.published()) == ["use", "app"]
    assert not tree.module("app").use.get()
