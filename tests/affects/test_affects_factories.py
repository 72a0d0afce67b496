"""An application that a function puts together depends on what that function imports."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from werkzeug.test import Client

import transfuse
from conftest import LiveTree, ran
from registries import fresh

VIEW = """
    from flask import Blueprint
    pages = Blueprint("pages", __name__)
    @pages.get("/")
    def index(): return "{}"
    """
# How `create_app` gets hold of `views.pages`.
WAYS = {
    "import statement": "from views import pages",
    "importlib": "import importlib; pages = importlib.import_module('views').pages",
    "werkzeug": "from werkzeug.utils import import_string; pages = import_string('views:pages')",
    "a function of a function": "from more import find; pages = find()",
}
PROBE = "def look():\n    import wsgi\n    return wsgi.app.test_client().get('/').text\n"


@pytest.mark.parametrize("way", WAYS)
def test_p5_an_application_factory(tree: LiveTree, policy: str, way: str) -> None:
    tree.write(
        {
            "views.py": VIEW.format(1),
            "more.py": "def find():\n    from views import pages\n    return pages\n",
            "factory.py": "def create_app():\n    from flask import Flask\n"
            f"    {WAYS[way]}\n"
            "    app = Flask('shop')\n    app.register_blueprint(pages)\n    return app\n",
            "wsgi.py": "from factory import create_app\napp = create_app()\n",
            "aside.py": "import factory\n",
            "probe.py": PROBE,
            "app.py": "import wsgi\n",
        }
    )
    tree.install(policy=policy)
    application = transfuse.wsgi("wsgi:app")
    tree.module("aside")
    old = tree.module("wsgi").app

    def get(application: Any) -> str:
        return str(Client(application).get("/").get_data(as_text=True))

    assert get(application) == "1"
    report = tree.published({"views.py": VIEW.format(2)})
    assert {step.name: step.reason for step in report.ran}["wsgi"] == "imports views"
    assert {"factory", "more", "aside"}.isdisjoint(ran(report))
    assert get(application) == "2" == tree.module("probe").look() == fresh(tree)
    assert get(old) == "1"


def test_p5_what_a_factory_looked_for_in_vain(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "factory.py": "def settings():\n    try:\n        import local\n"
            "    except ImportError:\n        return 'none'\n    return local.VALUE\n",
            "app.py": "import factory\nVALUE = factory.settings()\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("app").VALUE == "none"
    tree.published({"local.py": "VALUE = 'some'\n"})
    assert tree.module("app").VALUE == "some"


@pytest.mark.parametrize(
    "line",
    [
        "from shop import views",
        "from . import views",
        "views = __import__('shop', fromlist=['views']).views",
    ],
)
def test_p5_a_factory_that_takes_a_submodule_from_its_package(tree: LiveTree, line: str) -> None:
    tree.write(
        {
            "shop/__init__.py": f"def make():\n    {line}\n    return views.VALUE\n",
            "shop/views.py": "VALUE = 1",
            "app.py": "import shop\nVALUE = shop.make()\n",
        }
    )
    tree.install()
    assert tree.module("app").VALUE == 1
    for value in (2, 3):
        report = tree.published({"shop/views.py": f"VALUE = {value}"})
        assert ran(report) == ["shop.views", "app"]
        assert tree.module("app").VALUE == value


# How a module registers with an application that another module is just making.
CURRENT = {
    "proxy": "from flask import current_app\n@current_app.template_filter('mark')",
    "proxy of the package": "import flask\n@flask.current_app.template_filter('mark')",
    "proxy of another name": "from flask import current_app as now\n@now.template_filter('mark')",
    "proxy that is passed on": """
        from flask import current_app as now
        def register(app):
            return app.template_filter("mark")
        @register(now)
        """,
    "context variable": "from making import CURRENT\n@CURRENT.get().template_filter('mark')",
    "list": "from making import STACK\n@STACK[-1].template_filter('mark')",
}


@pytest.mark.parametrize("way", CURRENT)
def test_p5_a_module_that_registers_with_what_is_being_made(
    tree: LiveTree, policy: str, way: str
) -> None:
    making = """
        from contextvars import ContextVar
        CURRENT, STACK = ContextVar("current"), []
        """
    factory = """
        from flask import Flask
        from making import CURRENT, STACK
        def create_app():
            app = Flask("shop")
            STACK.append(app)
            token = CURRENT.set(app)
            with app.app_context():
                import filters, views
                app.register_blueprint(views.pages)
            CURRENT.reset(token)
            STACK.pop()
            return app
        """
    views = """
        from flask import Blueprint, render_template_string
        pages = Blueprint("pages", __name__)
        @pages.route("/")
        def index():
            return render_template_string("{{ 1|mark }} WORD")
        """
    filters = textwrap.dedent(CURRENT[way]) + "\ndef mark(value):\n    return f'({value})'\n"
    tree.write({"making.py": making, "factory.py": factory, "filters.py": filters})
    tree.write(
        {"views.py": views, "wsgi.py": "from factory import create_app\napp = create_app()\n"}
    )
    tree.install(policy=policy)

    def get() -> str:
        return str(tree.module("wsgi").app.test_client().get("/").text)

    assert get() == "(1) WORD"
    for word in ("one", "two"):
        tree.published({"views.py": views.replace("WORD", word)})
        assert get() == f"(1) {word}"
