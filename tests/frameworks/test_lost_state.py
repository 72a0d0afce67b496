"""A database in memory whose module runs again is lost, and the plan says so before it is."""

from __future__ import annotations

import gc
import logging
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

import transfuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

ENGINE = "from sqlalchemy import create_engine\n{name} = create_engine({url!r})\n"
SQLITE = "import sqlite3\n{name} = sqlite3.connect({url!r}, uri=True, check_same_thread=False)\n"
SESSION = (
    "from sqlalchemy import create_engine\nfrom sqlalchemy.orm import sessionmaker\n"
    "{name} = sessionmaker(create_engine({url!r}))\n"
)
MADE = [
    (ENGINE, "sqlite://"),
    (ENGINE, "sqlite:///:memory:"),
    (SESSION, "sqlite://"),
    (SQLITE, ":memory:"),
    (SQLITE, "file:shop?mode=memory"),
]


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    """Close what a test has connected: Python 3.13 warns of a connection that is only dropped."""
    yield
    for each in gc.get_objects():
        if issubclass(type(each), Engine):
            each.dispose()
        elif issubclass(type(each), sqlite3.Connection):
            each.close()


def _wanted(name: str) -> tuple[str, str]:
    return (
        "models",
        f"the database in memory behind {name} is replaced by an empty one when the module runs;"
        f' __preserve__ = ["{name}"] keeps it',
    )


@pytest.mark.parametrize(("source", "url"), MADE)
def test_p14_the_plan_says_which_database_in_memory_is_lost(
    tree: LiveTree, caplog: pytest.LogCaptureFixture, source: str, url: str
) -> None:
    models = source.format(name="db", url=url)
    tree.write({"models.py": models, "web.py": "from models import db\n"})
    tree.install()
    tree.module("web")
    tree.write({"models.py": f"{models}EDITED = 1\n"})
    plan = transfuse.plan()
    assert [(each.name, each.what) for each in plan.notes] == [_wanted("db")]
    assert plan.to_json()["notes"] == [list(_wanted("db"))]
    with caplog.at_level(logging.WARNING, "transfuse"):
        report = tree.published()
    assert [(each.name, each.what) for each in report.notes] == [_wanted("db")]
    assert ": ".join(_wanted("db")) in [each.getMessage() for each in caplog.records]
    # What runs again beside it loses nothing.
    assert tree.published({"web.py": "from models import db\nEDITED = 1\n"}).notes == ()


# How a database is kept; it is in a file; the module does not run.
KEPT = {
    "preserved": '__preserve__ = ["db"]\n' + ENGINE.format(name="db", url="sqlite://"),
    "carried": (
        "from sqlalchemy import create_engine\n"
        "if 'db' not in globals():\n    db = create_engine('sqlite://')\n"
    ),
    "once": (
        "import transfuse\nfrom sqlalchemy import create_engine\n"
        "db = transfuse.once('db', lambda: create_engine('sqlite://'))\n"
    ),
    "file": ENGINE.format(name="db", url="sqlite:////tmp/transfuse-no-such-file.db"),
    "none": "db = {}\n",
}


@pytest.mark.parametrize("way", KEPT)
def test_p14_a_database_that_is_kept_is_not_told(tree: LiveTree, way: str) -> None:
    tree.write({"models.py": KEPT[way]})
    tree.install()
    tree.module("models")
    assert tree.published({"models.py": f"{KEPT[way]}EDITED = 1\n"}).notes == ()
    tree.write({"models.py": f"{KEPT[way]}EDITED = 2\n"})
    # Whether code carries it shows when it runs.
    assert bool(transfuse.plan().notes) == (way in ("carried", "once"))
