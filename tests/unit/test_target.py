"""A target names an object; when it does not, one line says what is near."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import transfuse
from transfuse.errors import TargetError
from transfuse.process.target import Target

if TYPE_CHECKING:
    from conftest import LiveTree


@pytest.fixture
def shop(tree: LiveTree) -> LiveTree:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/web.py": """
                class Api:
                    def app(self): return "api"
                api = Api()
                def app(): return "app"
                number = 3
                """,
            "shop/old.py": "def application(): return 'application'",
            "shop/empty.py": "",
            "shop/broken.py": "import nothing_of_this_name",
        }
    )
    tree.install()
    return tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.web:app", "app"),
        ("shop.web:api.app", "api"),
        ("shop.web", "app"),
        ("shop.old", "application"),
    ],
)
def test_what_a_target_names(shop: LiveTree, text: str, expected: str) -> None:  # noqa: ARG001
    assert Target(text).resolve_callable()() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "shop.wbe:app",
            "target 'shop.wbe:app': there is no module 'shop.wbe'; did you mean 'shop.web'?",
        ),
        (
            "shpo.web:app",
            "target 'shpo.web:app': there is no module 'shpo'; did you mean 'shop'?",
        ),
        (
            "shop.web:ap",
            "target 'shop.web:ap': module 'shop.web' has no 'ap'; did you mean 'app'?",
        ),
        ("shop.web:api.zzz", "target 'shop.web:api.zzz': Api has no 'zzz'"),
        (
            "shop.empty",
            "target 'shop.empty': module 'shop.empty' has neither 'app' nor 'application';"
            " name it, as in 'shop.empty:name'",
        ),
        ("shop.web:number", "target 'shop.web:number' is not callable: it is of type int"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(
    shop: LiveTree,  # noqa: ARG001
    text: str,
    expected: str,
) -> None:
    with pytest.raises(TargetError) as caught:
        Target(text).resolve_callable()
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "text", ["", ":app", "shop.web:", "shop..web:app", "shop.web:app()", "a b"]
)
def test_a_malformed_target_is_told_at_once(text: str) -> None:
    with pytest.raises(TargetError, match="is not of the form"):
        Target(text)


def test_a_path_gets_a_hint() -> None:
    with pytest.raises(TargetError, match=r"did you mean 'shop\.web:app'\?$"):
        Target("./shop/web.py:app")


def test_an_import_that_fails_inside_of_the_module_comes_through(shop: LiveTree) -> None:  # noqa: ARG001
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        Target("shop.broken:app").resolve()


def test_a_target_is_resolved_in_the_pinned_generation(shop: LiveTree) -> None:
    target = Target("shop.old")
    with transfuse.pin():
        assert target.resolve()() == "application"
        shop.published({"shop/old.py": "def application(): return 'new'"})
        assert target.resolve()() == "application"
    assert target.resolve()() == "new"
