"""A module that a foreign registry refuses a second time is held; all else is updated."""

from __future__ import annotations

import sqlite3
import sys
from importlib.machinery import BuiltinImporter, ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree

REGISTRY = """
names = set()
def register(name, *rest):
    if name in names: raise ValueError(f"{name!r} is already registered")
    if rest == ("wrong",): raise ValueError("this is no option, use another one")
    names.add(name)
    return name
class Base:
    def __init_subclass__(cls): register(cls.__name__)
"""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("foreign_registry")
    # A traceback asks for its loader from Python 3.15 on.
    module.__spec__ = ModuleSpec(module.__name__, BuiltinImporter())
    module.__loader__ = module.__spec__.loader
    exec(compile(REGISTRY, "/usr/lib/foreign_registry.py", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


MODEL = """
    from foreign_registry import Base
    class Hero(Base):
        def shout(self): return "{}"
    """
WEB = """
    from shop.models import Hero
    EDITION = {}
    def answer(): return Hero().shout(), EDITION
    """


@pytest.mark.usefixtures("registry")
def test_what_cannot_run_twice_is_held_and_the_rest_is_updated(tree: LiveTree) -> None:
    tree.write(
        {"shop/__init__.py": "", "shop/models.py": MODEL.format("!"), "shop/web.py": WEB.format(1)}
    )
    tree.install()
    assert tree.module("shop.web").answer() == ("!", 1)
    report = tree.published({"shop/models.py": MODEL.format("?"), "shop/web.py": WEB.format(2)})
    assert tree.module("shop.web").answer() == ("!", 2)
    (restart,) = report.restart
    assert restart.name == "shop.models"
    assert "already registered" in restart.what
    # Later saves go through, and it is still said.
    report = tree.published({"shop/web.py": WEB.format(3)})
    assert tree.module("shop.web").answer() == ("!", 3)
    assert [each.name for each in transfuse.status().restart] == ["shop.models"]


@pytest.mark.usefixtures("registry")
def test_a_call_that_registers_is_held(tree: LiveTree) -> None:
    source = "from foreign_registry import register\nCOUNTER = register('hits')\nVALUE = {}\n"
    tree.write({"metrics.py": source.format(1), "web.py": "import metrics\nEDITION = 1"})
    tree.install()
    tree.module("web")
    report = tree.published(
        {"metrics.py": source.format(2), "web.py": "import metrics\nEDITION = 2"}
    )
    assert [each.name for each in report.restart] == ["metrics"]
    assert (tree.module("web").EDITION, tree.module("web").metrics.VALUE) == (2, 1)


@pytest.mark.usefixtures("registry")
def test_a_mistake_that_foreign_code_reports_refuses(tree: LiveTree) -> None:
    source = "from foreign_registry import register\nNAME = register('{}'{})\n"
    tree.write({"metrics.py": source.format("a", "")})
    tree.install()
    tree.module("metrics")
    assert tree.update({"metrics.py": source.format("b", ", 'wrong'")}).outcome == "refused"


@pytest.mark.usefixtures("registry")
def test_a_second_registration_that_only_the_new_source_makes_refuses(tree: LiveTree) -> None:
    """The name is another module's: a fresh process refuses it too."""
    tree.write(
        {
            "first.py": "from foreign_registry import register\nregister('hits')\n",
            "second.py": "import first\nVALUE = 1\n",
        }
    )
    tree.install()
    tree.module("second")
    source = "import first\nfrom foreign_registry import register\nregister('hits')\n"
    assert tree.update({"second.py": source}).outcome == "refused"


def test_a_table_of_a_shared_metadata_is_held(tree: LiveTree) -> None:
    """SQLModel: all tables are in one `MetaData`, which is foreign."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    shared = ModuleType("foreign_metadata")
    shared.metadata = sqlalchemy.MetaData()  # type: ignore[attr-defined]
    sys.modules[shared.__name__] = shared
    table = """
        from foreign_metadata import metadata
        from sqlalchemy import Column, Integer, Table
        HEROES = Table("heroes", metadata, Column("id", Integer, primary_key=True))
        NOTE = {}
        """
    try:
        tree.write({"models.py": table.format(1), "web.py": "import models\nEDITION = 1"})
        tree.install()
        tree.module("web")
        # Without options SQLAlchemy returns the table that is there; with a column it refuses.
        report = tree.published(
            {"models.py": table.format(2), "web.py": "import models\nEDITION = 2"}
        )
        assert [each.name for each in report.restart] == ["models"]
        assert tree.module("web").EDITION == 2
    finally:
        del sys.modules[shared.__name__]


@pytest.mark.usefixtures("registry")
def test_p14_a_held_module_that_keeps_what_it_took_of_another_is_told(tree: LiveTree) -> None:
    """As Sanic's: its application has a name, and cannot be made twice."""
    app = """
        import views
        from foreign_registry import register
        app = (register("shop"), views.index)
        """
    tree.write({"web.py": app, "views.py": "def index(): return 1\n", "other.py": ""})
    tree.install()
    tree.module("web")
    tree.module("other")
    for edition in (2, 3):
        report = tree.published({"views.py": f"def index(): return {edition}\n"})
        (restart,) = report.restart
        assert (restart.name, "views" in restart.what) == ("web", True)
    # It is so until the server is restarted.
    (restart,) = tree.published({"other.py": "V = 1\n"}).restart
    assert "views" in restart.what
    assert [each.name for each in transfuse.status().restart] == ["web"]


def test_a_registry_in_c_that_refuses_is_told_apart_from_the_module_itself(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    library: Any = ModuleType("outside")
    library.database = sqlite3.connect(":memory:", check_same_thread=False)
    request.addfinalizer(library.database.close)
    monkeypatch.setitem(sys.modules, "outside", library)
    model = "import outside\nSIZE = {}\noutside.database.execute('create table hero (id)')\n"
    tree.write({"heroes.py": model.format(1), "web.py": "import heroes\nEDITION = 1\n"})
    tree.install()
    tree.module("web")
    report = tree.published(
        {"heroes.py": model.format(2), "web.py": "import heroes\nEDITION = 2\n"}
    )
    assert tree.module("web").EDITION == 2
    (restart,) = report.restart
    assert "already exists" in restart.what
    tree.write({"other.py": "if 1:\n    raise ValueError('it is already there')\n"})
    refused = tree.update({"web.py": "import heroes, other\n"})
    assert refused.outcome == "refused"
