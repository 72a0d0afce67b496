"""Would `python -m apps.versions` see a function that an update has left stale?"""

from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from apps.description import App, Edit, Release, Request
from apps.inside.hits import taken
from apps.site import Site
from apps.versions.__main__ import closing, lines
from apps.versions.instrument import instrumented
from apps.versions.verdict import Stale, named, stale
from apps.versions.walk import walk

if TYPE_CHECKING:
    from apps.place import Place
    from apps.versions.walk import Step

MODULES = {"shop", "shop.page", "shop.price"}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An empty namespace, in which the calls of instrumented code lead to `apps.inside.hits`."""
    monkeypatch.setitem(sys.modules, "transfuse_apps.hits", sys.modules["apps.inside.hits"])
    taken()
    return {"__name__": "shop"}


def run(source: str, values: dict[str, Any]) -> None:
    """Execute version 3 of a module."""
    exec(instrumented(textwrap.dedent(source), "shop", 3), values)


def test_functions_methods_and_coroutines_say_that_they_run(shop: dict[str, Any]) -> None:
    run(
        """
        class View:
            def get(self):
                def inner():
                    return 1
                return inner
            class Meta:
                async def load(self):
                    return 2
        def never(): pass
        """,
        shop,
    )
    assert 1 == shop["View"]().get()()
    assert 2 == asyncio.run(shop["View"].Meta().load())
    functions = ["shop:View.Meta.load", "shop:View.get", "shop:View.get.inner"]
    assert [(name, 3) for name in functions] == taken()
    assert [] == taken()


def test_docstrings_decorators_and_future_imports_stay(shop: dict[str, Any]) -> None:
    run(
        '''
        """A shop."""
        from __future__ import annotations
        import functools
        @functools.lru_cache
        def price(of: Unknown) -> int:
            """What it costs."""
            return 7
        class Item:
            """An item."""
            @property
            def name(self):
                """Its name."""
                return "chair"
        def told(): "Only a docstring."
        ''',
        shop,
    )
    assert (7, 7) == (shop["price"](1), shop["price"](1))
    assert ("chair", None) == (shop["Item"]().name, shop["told"]())
    assert "A shop." == shop["__doc__"]
    assert "Unknown" == shop["price"].__wrapped__.__annotations__["of"]
    docstrings = [shop["price"], shop["Item"], shop["Item"].name, shop["told"]]
    assert ["What it costs.", "An item.", "Its name.", "Only a docstring."] == [
        each.__doc__ for each in docstrings
    ]
    assert [("shop:Item.name", 3), ("shop:price", 3), ("shop:told", 3)] == taken()


def test_a_module_without_functions_differs_in_each_version(shop: dict[str, Any]) -> None:
    for source in ("", '"""A shop."""'):
        run(source, shop)
        assert instrumented(source, "shop", 0) != instrumented(source, "shop", 1)
    with pytest.raises(SyntaxError):
        instrumented("def broken(:", "shop", 0)


def test_functions_of_another_version_are_stale() -> None:
    hits = [("shop.page:View.get", 0), ("shop.page:View.get", 2), ("shop.page:top", 2)]
    found = stale([*hits, ("shop.price:price", 0)], {"shop.page": 2, "shop.price": 0})
    assert [Stale("shop.page:View.get", (0, 2), 2)] == found
    assert ["shop.page:View.get ran in version 0 and 2, its file has 2"] == list(map(str, found))


@pytest.mark.parametrize(
    ("told", "modules"),
    [
        ({"restart": [["shop.page", "never-policy", "restart"]]}, {"shop.page"}),
        ({"notes": [["shop", "shop.price.Price.of is kept"]]}, {"shop", "shop.price"}),
        ({"error": "cannot import name 'x' from 'shop.page'"}, {"shop.page"}),
        ({"notes": [["workshop.page", "shop_page is kept"]]}, set()),
        (
            {
                "restart": [["shop", "never-policy", "shop keeps what it took of shop.page"]],
                "ran": [["shop.price", "changed"], ["shop.page", "imports shop.price"]],
            },
            MODULES,
        ),
        ({"ran": [["shop.price", "changed"], ["shop.page", "imports shop.price"]]}, set()),
        ({}, set()),
    ],
)
def test_a_report_names_modules_and_what_is_in_them(
    told: dict[str, Any], modules: set[str]
) -> None:
    silent: dict[str, Any] = {"restart": [], "notes": [], "error": None, "ran": []}
    assert modules == named({**silent, **told}, MODULES)


def test_what_a_former_report_has_named_keeps_what_it_imports() -> None:
    ran = [["shop.price", "changed"], ["shop.page", "imports shop.price"]]
    report = {"restart": [], "notes": [], "error": None, "ran": ran}
    assert {"shop.page", "shop.price"} == named(report, MODULES, {"shop.page"})


class Shelf:
    """A place with the source of an application that needs nothing installed."""

    def __init__(self, folder: Path, files: dict[str, str]) -> None:
        self.folder = folder
        for path, text in files.items():
            target = folder / "source" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))

    def source(self, _app: App, _release: Release) -> Path:
        return self.folder / "source"

    def python(self, _app: App) -> Path:
        return Path(sys.executable)


def travel(folder: Path, edits: int, files: dict[str, str]) -> list[Step]:
    """Edit an application at random."""
    app = App(
        name="shop",
        framework="none",
        release=Release("1.0", ""),
        following=None,
        interface="wsgi",
        requests=(Request("/"),),
        edits=(Edit("leaf", "shop/page.py", "", ""),),
    )
    entry = {"entry_shop.py": "from shop.page import application\n", "shop/__init__.py": ""}
    place = cast("Place", Shelf(folder, {**entry, **files}))
    scratch = folder / "scratch"
    scratch.mkdir()
    return list(walk(Site(app, place, scratch.resolve()), edits, seed=1))


PAGE = """
from shop.price import price
def application(_environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"{price()} for a chair".encode()]
"""
PRICE = "def price(): return 7\n"


def test_what_an_update_replaces_is_not_stale(tmp_path: Path) -> None:
    steps = travel(tmp_path, 5, {"shop/page.py": PAGE, "shop/price.py": PRICE})
    assert ["published"] * 5 == [step.outcome for step in steps]
    assert {"shop.page", "shop.price"} <= {name for step in steps for name in step.modules}
    assert not any(step.stale or step.reported or step.differing for step in steps)
    assert "5 edits, 5 published: nothing is silently stale" == closing(steps)


def test_what_the_interpreter_holds_without_a_container_is_found_stale(tmp_path: Path) -> None:
    """Python keeps the first codec that it has found, where no search of the heap comes."""
    steps = travel(
        tmp_path,
        4,
        {
            "shop/page.py": """
            import shop.price
            def application(_environ, start_response):
                start_response("200 OK", [("content-type", "text/plain")])
                return ["for a chair".encode("price")]
            """,
            "shop/price.py": """
            import codecs
            def price(text, errors="strict"):
                return f"7 {text}".encode(), len(text)
            def search(name):
                return codecs.CodecInfo(price, None, name=name) if name == "price" else None
            codecs.register(search)
            """,
        },
    )
    wrong = [step for step in steps if step.wrong]
    assert {"shop.price:price"} == {each.function for step in wrong for each in step.stale}
    shown = "\n".join(line for number, step in enumerate(steps, 1) for line in lines(number, step))
    assert "NOT REPORTED: shop.price:price ran in version 0, its file has" in shown
    assert closing(steps).endswith(f": WRONG after {len(wrong)}")


def test_what_a_report_says_is_no_fault(tmp_path: Path) -> None:
    price = '__reload__ = "never"\n' + PRICE
    steps = travel(tmp_path, 4, {"shop/page.py": PAGE, "shop/price.py": price})
    assert not any(step.wrong for step in steps)
    assert {"shop.price:price"} == {each.function for step in steps for each in step.reported}


def test_answers_are_compared_with_those_of_a_fresh_process(tmp_path: Path) -> None:
    """A module that an update runs for the second time answers otherwise than at first."""
    again = "import sys\ntimes = sys.__dict__.setdefault('shop_times', [])\ntimes.append(1)\n"
    price = again + "def price(): return len(times)\n"
    steps = travel(tmp_path, 4, {"shop/page.py": PAGE, "shop/price.py": price})
    assert [True] == [step.wrong for step in steps if step.differing]
    assert not any(step.stale for step in steps)
