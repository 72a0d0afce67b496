"""SQLAlchemy: a former module's engine closes its connections, and one that goes on keeps them."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Engine

pytest.importorskip("flask_sqlalchemy")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree

MODELS = """
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker
{make}
VERSION = {version}
def ask(query):
    with {connect} as connection:
        return connection.execute(text(query)).scalar()
"""
ENGINE = {"make": "engine = create_engine('sqlite:///{file}')", "connect": "engine.connect()"}
FLASK = {
    "make": """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
db = SQLAlchemy()
app = Flask(__name__)
app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite:///{file}'
db.init_app(app)
def connect():
    with app.app_context():
        return db.engine.connect()
""",
    "connect": "connect()",
}
SESSION = {
    "make": "Session = sessionmaker(create_engine('sqlite:///{file}'))",
    "connect": "Session()",
}


@pytest.fixture(autouse=True)
def _no_connection_is_left() -> Iterator[None]:
    """Close what a test has connected: Python 3.13 warns of a connection that is only dropped."""
    yield
    for each in gc.get_objects():
        if issubclass(type(each), Engine):
            each.dispose()


def _models(version: int, file: Path, made: dict[str, str]) -> dict[str, str]:
    made = {**made, "make": made["make"].format(file=file)}
    return {"models.py": MODELS.format(version=version, **made)}


def _open(file: Path) -> int:
    folder = "/proc/self/fd"
    links = (os.path.join(folder, each) for each in os.listdir(folder))
    return sum(os.path.lexists(each) and os.readlink(each) == str(file) for each in links)


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
@pytest.mark.parametrize("made", [ENGINE, SESSION, FLASK], ids=["engine", "sessionmaker", "flask"])
def test_p8_a_former_engine_closes_its_connections(
    tree: LiveTree, tmp_path: Path, made: dict[str, str]
) -> None:
    file = tmp_path.resolve() / "shop.db"
    tree.write(_models(0, file, made))
    tree.install()
    kept = [tree.module("models").ask]  # as a thread that goes on with old code keeps it
    assert kept[0]("select 1") == 1
    for version in range(1, 13):
        tree.published(_models(version, file, made))
        kept.append(tree.module("models").ask)
        assert kept[-1]("select 1") == 1
    assert len(set(kept)) == 13
    assert _open(file) <= 2
    # A former engine that is still used connects anew.
    assert kept[0]("select 2") == 2


def test_p7_an_engine_that_another_module_made_keeps_its_connections(
    tree: LiveTree, tmp_path: Path
) -> None:
    tree.write(
        {
            "db.py": f"from sqlalchemy import create_engine\nengine = create_engine('sqlite:///{tmp_path}/shop.db')\n",
            "web.py": "from db import engine\nVERSION = 1\n",
        }
    )
    tree.install()
    connection = tree.module("web").engine.connect()
    pool = tree.module("db").engine.pool
    connection.close()
    for version in (2, 3):
        tree.published({"web.py": f"from db import engine\nVERSION = {version}\n"})
    assert tree.module("db").engine.pool is pool
    assert pool.checkedin() == 1


def test_p7_a_database_in_memory_is_not_emptied_by_an_edit_elsewhere(tree: LiveTree) -> None:
    tree.write(
        {
            "db.py": "from sqlalchemy import create_engine, text\nengine = create_engine('sqlite://')\n",
            "web.py": "from db import engine, text\nVERSION = 1\n",
        }
    )
    tree.install()
    web = tree.module("web")
    with web.engine.begin() as connection:
        connection.execute(web.text("create table cups (name text)"))
    for version in (2, 3):
        tree.published({"web.py": f"from db import engine, text\nVERSION = {version}\n"})
    with tree.module("web").engine.begin() as connection:
        assert connection.execute(web.text("select count(*) from cups")).scalar() == 0


MAPPED = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, configure_mappers, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    user: Mapped["User"] = relationship("User")

{between}

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)

VERSION = {version}
# Of all registries of the process.
configure_mappers()
"""


def test_p4_mapped_classes_of_a_refused_update_are_not_configured(tree: LiveTree) -> None:
    tree.write({"models.py": MAPPED.format(between="", version=1)})
    tree.install()
    tree.module("models")
    # The report keeps the exception, and with it the class that was mapped before.
    refused = tree.update({"models.py": MAPPED.format(between="1 / 0", version=2)})
    assert isinstance(refused.error, ZeroDivisionError)
    tree.published({"models.py": MAPPED.format(between="", version=3)})
    assert tree.module("models").VERSION == 3
