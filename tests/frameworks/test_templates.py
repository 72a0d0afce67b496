"""Old code renders the templates of its generation, new code the new ones."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import jinja2
import pytest

import transfuse
from conftest import CAP, ran

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree

# Each has a function `show(name)`. The first template is part of the second.
JINJA = """
    import jinja2
    from pathlib import Path

    HERE = Path(__file__).parent
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE / "own", HERE / "pages"]), auto_reload={reload}
    )

    def show(name):
        return pages.get_template(name).render(word="{word}")
    """
PACKAGE = """
    import jinja2
    pages = jinja2.Environment(loader=jinja2.ChoiceLoader([
        jinja2.DictLoader({{}}), jinja2.PackageLoader("shop", "pages")]), auto_reload={reload})

    def show(name):
        return pages.get_template(name).render(word="{word}")
    """
FLASK = """
    import flask
    from pathlib import Path
    app = flask.Flask(__name__, template_folder=str(Path(__file__).parent / "pages"))
    app.config["TEMPLATES_AUTO_RELOAD"] = {reload}

    def show(name):
        with app.app_context():
            return flask.render_template(name, word="{word}")
    """
STARLETTE = """
    from pathlib import Path
    from starlette.templating import Jinja2Templates
    pages = Jinja2Templates(Path(__file__).parent / "pages")
    pages.env.auto_reload = {reload}

    def show(name):
        return pages.get_template(name).render(word="{word}")
    """
MAKO = """
    from pathlib import Path
    from mako.lookup import TemplateLookup
    HERE = Path(__file__).parent
    pages = TemplateLookup([str(HERE / "own"), str(HERE / "pages")], filesystem_checks={reload})

    def show(name):
        return pages.get_template(name).render(word="{word}").strip()
    """
OWN = """
    import transfuse
    from pathlib import Path
    RELOAD = {reload}

    def show(name):
        pages = Path(__file__).parent / "pages"
        text = transfuse.read_text(pages / name)
        if "part.html" in text:
            text = text.replace("PART", transfuse.read_text(pages / "part.html"))
        return text.replace("WORD", "{word}")
    """
NAMES = ("part.html", "page.html")
JINJA_PAGES = {"part.html": "{n} {{{{ word }}}}", "page.html": "{n} [{{% include 'part.html' %}}]"}
MAKO_PAGES = {"part.html": "{n} ${{word}}", "page.html": "{n} [<%include file='part.html'/>]"}
OWN_PAGES = {"part.html": "{n} WORD", "page.html": "{n} [PART]<!-- part.html -->"}
ENGINES = {
    "jinja": (JINJA, JINJA_PAGES),
    "package": (PACKAGE, JINJA_PAGES),
    "flask": (FLASK, JINJA_PAGES),
    "starlette": (STARLETTE, JINJA_PAGES),
    "mako": (MAKO, MAKO_PAGES),
    "own": (OWN, OWN_PAGES),
}


@pytest.fixture(params=[f"{name}-{reload}" for name in ENGINES for reload in (True, False)])
def site(request: pytest.FixtureRequest, tree: LiveTree) -> Site:
    name, reload = request.param.split("-")
    return Site(tree, *ENGINES[name], reload == "True")


class Site:
    """A module with one engine, and two templates."""

    def __init__(self, tree: LiveTree, code: str, pages: dict[str, str], reload: bool) -> None:
        self.tree = tree
        self._code = code
        self._pages = pages
        self._reload = reload

    def code(self, word: str) -> dict[str, str]:
        code = self._code.format(word=word, reload=self._reload)
        return {"shop/__init__.py": "", "shop/web.py": code}

    def pages(self, n: int) -> dict[str, str]:
        return {f"shop/pages/{name}": text.format(n=n) for name, text in self._pages.items()}

    def begin(self, **settings: Any) -> None:
        self.tree.write({**self.code("tea"), **self.pages(1)})
        self.tree.install(**settings)

    def show(self) -> str:
        page: str = self.tree.module("shop.web").show("page.html")
        return page.replace("<!-- part.html -->", "")


def test_p2_a_pinned_request_keeps_code_and_templates(site: Site) -> None:
    site.begin()
    assert site.show() == "1 [1 tea]"
    with transfuse.pin():
        assert ran(site.tree.published({**site.code("cup"), **site.pages(2)})) == ["shop.web"]
        # In turns, so that neither gets what the other has put into a cache.
        for _ in range(3):
            assert site.show() == "1 [1 tea]"
            assert in_thread(site.show) == "2 [2 cup]"
    assert site.show() == "2 [2 cup]"


def test_p2_a_template_alone_makes_a_generation(site: Site) -> None:
    site.begin()
    assert site.show() == "1 [1 tea]"
    with transfuse.pin():
        report = site.tree.published(site.pages(2))
        assert ran(report) == []
        assert {os.path.basename(change.path) for change in report.changed} == set(NAMES)
        for _ in range(3):
            assert site.show() == "1 [1 tea]"
            assert in_thread(site.show) == "2 [2 tea]"
    assert site.show() == "2 [2 tea]"


def test_p2_a_template_that_is_first_rendered_after_a_deploy(site: Site) -> None:
    if "read_text" in site.code("")["shop/web.py"]:
        pytest.skip("a file of one's own is known from its first reading on")
    site.begin()
    site.tree.module("shop.web")
    with transfuse.pin():
        site.tree.published({**site.code("cup"), **site.pages(2)})
        assert site.show() == "1 [1 tea]"
        assert in_thread(site.show) == "2 [2 cup]"


def test_p4_a_refused_update_leaves_the_old_templates(site: Site) -> None:
    site.begin()
    assert site.show() == "1 [1 tea]"
    assert not site.tree.update({"shop/web.py": "1 / 0", **site.pages(2)}).ok
    assert site.show() == "1 [1 tea]"
    site.tree.published(site.code("cup"))
    assert site.show() == "2 [2 cup]"


def test_p16_a_rollback_brings_the_templates_back(site: Site) -> None:
    site.begin()
    site.show()
    site.tree.published({**site.code("cup"), **site.pages(2)})
    assert site.show() == "2 [2 cup]"
    assert transfuse.rollback().ok
    assert site.show() == "1 [1 tea]"
    site.tree.published({**site.code("mug"), **site.pages(3)})
    assert site.show() == "3 [3 mug]"


def test_p3_a_watched_save_of_both_is_one_update(site: Site) -> None:
    site.begin(watch=True)
    assert site.show() == "1 [1 tea]"
    with transfuse.hold():
        site.tree.write({**site.code("cup"), **site.pages(2)})
    report = site.tree.wait(lambda report: report.ok)
    assert ran(report) == ["shop.web"]
    assert site.show() == "2 [2 cup]"
    with transfuse.hold():
        site.tree.write(site.pages(3))
    assert ran(site.tree.wait(lambda report: report.ok, after=1)) == []
    assert site.show() == "3 [3 cup]"


def test_p6_a_template_that_is_deleted_is_gone(site: Site) -> None:
    site.begin()
    site.show()
    with transfuse.pin():
        site.tree.delete("shop/pages/part.html")
        site.tree.published()
        assert site.show() == "1 [1 tea]"
    with pytest.raises(Exception, match=r"part\.html"):
        site.show()
    site.tree.published({"shop/pages/part.html": site.pages(3)["shop/pages/part.html"]})
    assert site.show() == "1 [3 tea]"


def test_p2_a_template_in_a_folder_that_comes_first(site: Site) -> None:
    if "own" not in site.code("")["shop/web.py"]:
        pytest.skip("it has one folder")
    site.begin()
    site.show()
    with transfuse.pin():
        site.tree.published({"shop/own/part.html": site.pages(5)["shop/pages/part.html"]})
        assert site.show() == "1 [1 tea]"
        assert in_thread(site.show) == "1 [5 tea]"
    (site.tree.root / "shop/own/part.html").unlink()
    site.tree.published()
    assert site.show() == "1 [1 tea]"


BROKEN = {"jinja": "{% if %}", "mako": "% if 1:\n"}


@pytest.mark.parametrize("engine", BROKEN)
@pytest.mark.parametrize("with_code", [True, False])
def test_p4_a_template_that_does_not_compile_refuses_the_update(
    tree: LiveTree, engine: str, with_code: bool
) -> None:
    site = Site(tree, *ENGINES[engine], True)
    site.begin()
    assert site.show() == "1 [1 tea]"
    code = site.code("cup") if with_code else {}
    report = tree.update({**code, "shop/pages/part.html": BROKEN[engine]})
    assert not report.ok
    assert "part.html" in report.traceback
    assert site.show() == "1 [1 tea]"
    tree.published(site.pages(2))
    assert site.show() == f"2 [2 {'cup' if with_code else 'tea'}]"


def test_a_filter_and_its_first_use_in_one_update(tree: LiveTree) -> None:
    site = Site(tree, *ENGINES["jinja"], True)
    site.begin()
    assert site.show() == "1 [1 tea]"
    code = site.code("cup")["shop/web.py"] + "pages.filters['loud'] = str.upper\n"
    tree.published({"shop/web.py": code, "shop/pages/part.html": "{{ word | loud }}"})
    assert site.show() == "1 [CUP]"
    assert not tree.update({"shop/pages/part.html": "{{ word | quiet }}"}).ok
    assert site.show() == "1 [CUP]"


def test_a_template_outside_of_the_roots_is_read_from_disk(tree: LiveTree, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    page = tmp_path / "elsewhere" / "page.html"
    page.write_text("1 {{ word }}")
    code = f"""
        import jinja2
        pages = jinja2.Environment(loader=jinja2.FileSystemLoader({str(page.parent)!r}))
        """
    tree.write({"web.py": code})
    tree.install()
    pages = tree.module("web").pages
    assert pages.get_template("page.html").render(word="tea") == "1 tea"
    page.write_text("the second {{ word }}")
    assert tree.update().outcome == "unchanged"
    assert pages.get_template("page.html").render(word="tea") == "the second tea"


def test_a_template_that_a_module_keeps_runs_it_again(tree: LiveTree) -> None:
    code = """
        import jinja2
        from pathlib import Path
        pages = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"))
        PAGE = pages.get_template("page.html")
        """
    tree.write({"web.py": code, "pages/page.html": "1"})
    tree.install()
    assert tree.module("web").PAGE.render() == "1"
    assert ran(tree.published({"pages/page.html": "2"})) == ["web"]
    assert tree.module("web").PAGE.render() == "2"


def test_a_loader_is_asked_without_an_environment(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "", "shop/pages/page.html": "1"})
    tree.install()
    tree.module("shop")
    for loader in (
        jinja2.FileSystemLoader(tree.root / "shop/pages"),
        jinja2.PackageLoader("shop", "pages"),
    ):
        source, file, is_current = loader.get_source(None, "page.html")  # type: ignore[arg-type]
        assert (source, file) == ("1", str(tree.root / "shop/pages/page.html"))
        assert is_current is not None
        assert is_current()


def test_an_error_names_each_folder_that_was_searched(tree: LiveTree) -> None:
    tree.install()
    loader = jinja2.FileSystemLoader([tree.root / "own", tree.root / "pages"])
    with pytest.raises(jinja2.TemplateNotFound) as raised:
        jinja2.Environment(loader=loader).get_template("page.html")
    folders = f"'{tree.root / 'own'}', '{tree.root / 'pages'}'"
    assert str(raised.value) == f"'page.html' not found in search paths: {folders}"


def test_uninstall_gives_the_engines_back(tree: LiveTree) -> None:
    site = Site(tree, *ENGINES["jinja"], True)
    site.begin()
    show = tree.module("shop.web").show
    assert show("page.html") == "1 [1 tea]"
    transfuse.uninstall()
    assert not hasattr(jinja2.Environment._load_template, "__transfuse__")
    assert show("page.html") == "1 [1 tea]"
    page = tree.root / "shop/pages/part.html"
    page.write_text("plain {{ word }}")
    os.utime(page, (0, 0))
    assert show("page.html") == "1 [plain tea]"


def in_thread(show: Any) -> Any:
    """What new work gets."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(show()))
    thread.start()
    thread.join(CAP)
    return got[0]
