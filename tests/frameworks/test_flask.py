"""Flask: routes, blueprints, factories, hooks and what they use are live; templates too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client

import transfuse
from support.threads import Worker

if TYPE_CHECKING:
    from conftest import LiveTree

SHOP = {
    "shop/__init__.py": """
        from flask import Flask

        def create_app():
            app = Flask(__name__)
            app.config.from_object("shop.config")
            from shop import basket, goods, hooks
            app.register_blueprint(goods.pages, url_prefix="/goods")
            app.register_blueprint(basket.pages)
            hooks.add_to(app)
            return app
        """,
    "shop/config.py": "CURRENCY = 'GBP'\nTEMPLATES_AUTO_RELOAD = True",
    "shop/wsgi.py": "from shop import create_app\n\napp = create_app()",
    "shop/prices.py": "def price(name): return len(name)",
    "shop/basket.py": """
        from flask import Blueprint, jsonify, request, url_for
        from shop.prices import price

        pages = Blueprint("basket", __name__)

        @pages.post("/basket")
        def total():
            return jsonify(sum(price(name) for name in request.json))

        @pages.get("/where")
        def where():
            return url_for("goods.one", name="tea")
        """,
    "shop/goods.py": """
        from flask import Blueprint, current_app, render_template
        from shop.prices import price

        pages = Blueprint("goods", __name__, template_folder="templates")

        @pages.get("/<name>")
        def one(name):
            return render_template("one.html", name=name, price=price(name))

        @pages.get("/")
        def currency():
            return current_app.config["CURRENCY"]
        """,
    "shop/hooks.py": """
        def add_to(app):
            @app.errorhandler(404)
            def missing(error):
                return "no such page", 404

            @app.context_processor
            def shop():
                return {"shop": "Rivers"}

            @app.template_filter()
            def money(pence):
                return f"{pence}p"
        """,
    "shop/templates/one.html": "{{ shop }}: {{ name }} {{ price|money }}",
}


class Site:
    """The shop, served; what it answers and how it is edited."""

    def __init__(self, tree: LiveTree) -> None:
        self.tree = tree
        tree.write(SHOP)
        tree.install()
        self.client = Client(transfuse.wsgi("shop.wsgi:app"))

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        return f"{answer.status_code} {answer.text.strip()}"

    def total(self, *names: str) -> str:
        return self.client.post("/basket", json=names).text.strip()

    def change(self, name: str, old: str, new: str) -> list[str]:
        """Replace text in a file and update; the modules that were run."""
        path = self.tree.root / name
        source = path.read_text(encoding="utf-8")
        assert old in source
        report = self.tree.published({name: source.replace(old, new)})
        return [each.name for each in report.ran]


@pytest.fixture
def site(tree: LiveTree) -> Site:
    return Site(tree)


GONE = "404 no such page"


def test_a_route_is_added_changed_and_removed(site: Site) -> None:
    assert site.get("/goods/tea/origin") == GONE
    site.change(
        "shop/goods.py",
        '@pages.get("/")',
        '@pages.get("/<name>/origin")\n'
        'def origin(name): return f"{name} from afar"\n\n'
        '@pages.get("/")',
    )
    assert site.get("/goods/tea/origin") == "200 tea from afar"
    site.change("shop/goods.py", "/origin", "/from")
    assert (site.get("/goods/tea/origin"), site.get("/goods/tea/from")) == (
        GONE,
        "200 tea from afar",
    )
    site.change(
        "shop/goods.py",
        '@pages.get("/<name>/from")\ndef origin(name): return f"{name} from afar"\n',
        "",
    )
    assert site.get("/goods/tea/from") == GONE
    assert site.get("/goods/") == "200 GBP"


def test_a_blueprint_is_added_and_moved(site: Site) -> None:
    site.tree.published(
        {
            "shop/news.py": """
                from flask import Blueprint

                pages = Blueprint("news", __name__)

                @pages.get("/")
                def all(): return "no news"
                """,
            "shop/__init__.py": SHOP["shop/__init__.py"].replace(
                "hooks.add_to(app)",
                "hooks.add_to(app)\n"
                "            from shop import news\n"
                "            app.register_blueprint(news.pages, url_prefix='/news')",
            ),
        }
    )
    assert site.get("/news/") == "200 no news"
    site.change("shop/news.py", "no news", "good news")
    assert site.get("/news/") == "200 good news"
    site.change("shop/__init__.py", "/goods", "/wares")
    assert (site.get("/goods/tea"), site.client.get("/where").text) == (GONE, "/wares/tea")


def test_what_handlers_use_is_live(site: Site) -> None:
    assert (site.get("/goods/tea"), site.total("tea", "milk")) == ("200 Rivers: tea 3p", "7")
    site.change("shop/prices.py", "len(name)", "10 * len(name)")
    assert (site.get("/goods/tea"), site.total("tea", "milk")) == ("200 Rivers: tea 30p", "70")


def test_hooks_filters_and_configuration_are_live(site: Site) -> None:
    site.change("shop/hooks.py", '"no such page"', '"nothing here"')
    site.change("shop/hooks.py", "{pence}p", "{pence} pence")
    site.change("shop/config.py", "GBP", "EUR")
    assert site.get("/nowhere") == "404 nothing here"
    assert site.get("/goods/tea") == "200 Rivers: tea 3 pence"
    assert site.get("/goods/") == "200 EUR"


def test_a_change_of_a_template_runs_no_module(site: Site) -> None:
    assert site.get("/goods/tea") == "200 Rivers: tea 3p"
    report = site.tree.published({"shop/templates/one.html": "{{ name }} for {{ price|money }}"})
    assert report.ran == ()
    assert site.get("/goods/tea") == "200 tea for 3p"


def test_two_files_together_and_a_broken_edit(site: Site) -> None:
    alone = {"shop/prices.py": "def cost(name): return 7"}
    assert site.tree.update(alone).outcome == "refused"
    assert site.total("tea") == "3"
    site.tree.published(
        {
            name: SHOP[name].replace("price(name)", "cost(name)").replace("prices import price",
                                                                          "prices import cost")
            for name in ("shop/basket.py", "shop/goods.py")
        }
    )  # fmt: skip
    assert site.total("tea") == "7"
    twice = SHOP["shop/basket.py"].replace("def where", "def total")
    report = site.tree.update({"shop/basket.py": twice.replace("price", "cost")})
    assert report.outcome == "refused"
    assert site.total("tea") == "7"


def test_p2_a_request_on_the_old_code_sees_the_old_routes(site: Site) -> None:
    with transfuse.pin("an old request"):
        # In a thread of its own: the thread that asks for an update goes on in the new generation.
        Worker(lambda: site.change("shop/goods.py", '"/<name>"', '"/item/<name>"')).result()
        assert site.get("/goods/tea") == "200 Rivers: tea 3p"
        assert site.client.get("/where").text == "/goods/tea"
    assert site.get("/goods/tea") == GONE
    assert site.client.get("/where").text == "/goods/item/tea"


def test_a_file_of_settings_is_read_again(site: Site) -> None:
    site.tree.published(
        {
            "shop/__init__.py": SHOP["shop/__init__.py"].replace(
                'app.config.from_object("shop.config")', 'app.config.from_pyfile("shop.cfg")'
            ),
            "shop/shop.cfg": "CURRENCY = 'EUR'",
        }
    )
    assert site.get("/goods/") == "200 EUR"
    site.tree.published({"shop/shop.cfg": "CURRENCY = 'SEK'"})
    assert site.get("/goods/") == "200 SEK"


CURRENT = {
    "pkg/__init__.py": """
        from flask import Flask

        def create_app():
            app = Flask(__name__)
            with app.app_context():
                from pkg.views import pages
                app.register_blueprint(pages)
            return app
        """,
    "pkg/links.py": """
        from flask import current_app

        @current_app.url_defaults
        def run(endpoint, values):
            values["run"] = "1"
        """,
    "pkg/views.py": """
        from flask import Blueprint, url_for
        import pkg.links

        pages = Blueprint("pages", __name__)

        @pages.route("/")
        def index():
            return "{} " + url_for("pages.index")
        """,
}


@pytest.mark.parametrize(
    "entry",
    [
        "app = create_app()",
        "class Site:\n    def __init__(self, app): self.app = app\n"
        "    def __call__(self, *a): return self.app(*a)\napp = Site(create_app())",
    ],
    ids=["an application", "behind middleware"],
)
def test_what_registers_with_the_current_application_registers_with_the_next(
    tree: LiveTree, entry: str
) -> None:
    views = CURRENT["pkg/views.py"]
    tree.write(
        {
            **CURRENT,
            "pkg/views.py": views.replace("{}", "one"),
            "serve.py": f"from pkg import create_app\n{entry}\n",
        }
    )
    tree.install()
    client = Client(transfuse.wsgi("serve:app"))
    assert client.get("/").text == "one /?run=1"
    for word in ("two", "three"):
        tree.published({"pkg/views.py": views.replace("{}", word)})
        assert client.get("/").text == f"{word} /?run=1"


def test_a_module_that_only_holds_the_proxy_does_not_run_again(tree: LiveTree) -> None:
    links = """
        from flask import current_app

        def name():
            return current_app.name
        """
    views = CURRENT["pkg/views.py"]
    tree.write(
        {
            **CURRENT,
            "pkg/links.py": links,
            "pkg/views.py": views.replace("{}", "one"),
            "serve.py": "from pkg import create_app\napp = create_app()\n",
        }
    )
    tree.install()
    tree.module("serve")
    report = tree.published({"pkg/views.py": views.replace("{}", "two")})
    assert "pkg.links" not in [each.name for each in report.ran]


def test_an_application_of_forty_blueprints(tree: LiveTree) -> None:
    part = """
        from flask import Blueprint
        part = Blueprint("part{0}", __name__)
        @part.get("/{0}")
        def view():
            return "{1}"
        """
    web = "from flask import Flask\napp = Flask(__name__)\n" + "".join(
        f"import part{n}\napp.register_blueprint(part{n}.part, url_prefix='/@')\n"
        for n in range(40)
    )
    tree.write({f"part{n}.py": part.format(n, "one") for n in range(40)})
    tree.write({"web.py": web.replace("@", "a")})
    tree.install()
    assert tree.module("web").app.test_client().get("/a/7").text == "one"
    tree.published({"web.py": web.replace("@", "b")})
    tree.published({"part7.py": part.format(7, "two")})
    client = tree.module("web").app.test_client()
    assert [client.get(path).text for path in ("/b/6", "/b/7")] == ["one", "two"]
    assert client.get("/a/7").status_code == 404
