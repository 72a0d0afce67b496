"""A listener that live code registers with a foreign framework hears of its own generation only."""

from __future__ import annotations

import gc
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest
from blinker import signal
from sqlalchemy import event
from sqlalchemy.orm import Mapper, Session

import transfuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree

# As SQLAlchemy-Continuum does: it collects models that are mapped, and makes others of them.
VERSIONED = """
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import DeclarativeBase, Mapper
VERSION = {version}
pending, made = [], []
def collect(mapper, cls):
    if hasattr(cls, "versioned"):
        pending.append(cls)
def configure():
    while pending:
        cls = pending.pop()
        made.append(type(cls.__name__ + "Version", (Base,), {{
            "__tablename__": cls.__tablename__ + "_version",
            "id": sa.Column(sa.Integer, primary_key=True),
        }}))
event.listen(Mapper, "instrument_class", collect)
event.listen(Mapper, "after_configured", configure)
class Base(DeclarativeBase):
    pass
class Bill(Base):
    versioned = True
    __tablename__ = "bill"
    id = sa.Column(sa.Integer, primary_key=True)
sa.orm.configure_mappers()
"""
SESSIONS = """
import heard
from sqlalchemy import event
from sqlalchemy.orm import Session
VERSION = {version!r}
@event.listens_for(Session, "before_flush")
def before(session, context, instances):
    heard.put(VERSION)
"""
SIGNALS = """
import heard
from blinker import signal
VERSION = {version!r}
def receive(sender):
    heard.put(VERSION)
signal("sold").connect(receive)
class Method:
    def receive(self, sender):
        heard.put(VERSION)
method = Method()
signal("sold").connect(method.receive)
"""
FILES = {"heard.py": "words = []\ndef put(word):\n    words.append(word)\n"}


@pytest.fixture(autouse=True)
def _listeners_end() -> Iterator[None]:
    """Take the listeners of a test out again: SQLAlchemy and Blinker outlive it."""
    yield
    signal("sold").receivers.clear()
    targets: tuple[tuple[Any, str], ...] = (
        (Session, "before_flush"),
        (Mapper, "instrument_class"),
        (Mapper, "after_configured"),
    )
    for kind, name in targets:
        getattr(kind.dispatch, name).clear()


def _flush() -> None:
    Session().dispatch.before_flush(None, None, None)


def _send() -> None:
    signal("sold").send("shop")


WAYS = [
    pytest.param(SESSIONS, _flush, 1, id="sqlalchemy"),
    pytest.param(SIGNALS, _send, 2, id="blinker"),
]


def test_p5_listeners_of_the_former_execution_do_not_hear_of_new_classes(tree: LiveTree) -> None:
    tree.write({"models.py": VERSIONED.format(version=0)})
    tree.install()
    for version in range(1, 4):
        tree.published({"models.py": VERSIONED.format(version=version)})
        models = tree.module("models")
        assert [each.__name__ for each in models.made] == ["BillVersion"]


@pytest.mark.parametrize(("source", "happen", "times"), WAYS)
def test_p2_work_is_heard_by_the_listeners_of_its_generation(
    tree: LiveTree, source: str, happen: Callable[[], None], times: int
) -> None:
    tree.write(FILES | {"shop.py": source.format(version="old")})
    tree.install()
    words = tree.module("heard").words
    tree.module("shop")
    with transfuse.pin():
        tree.published({"shop.py": source.format(version="new")})
        happen()
        # What new code has replaced in a list of Blinker's is gone from there.
        assert "new" not in words
    words.clear()
    happen()
    assert words == ["new"] * times


@pytest.mark.parametrize(("source", "happen", "times"), WAYS)
def test_p4_the_listeners_of_a_refused_update_hear_nothing(
    tree: LiveTree, source: str, happen: Callable[[], None], times: int
) -> None:
    heard_meanwhile = "\nimport threading, heard\nheard.meanwhile()\nraise ValueError\n"
    heard = FILES["heard.py"] + "meanwhile = None\n"
    tree.write({"heard.py": heard, "shop.py": source.format(version="old")})
    tree.install()
    words = tree.module("heard").words
    tree.module("shop")

    def request() -> None:
        thread = threading.Thread(target=happen)
        thread.start()
        thread.join(10)

    tree.module("heard").meanwhile = request
    refused = tree.update({"shop.py": source.format(version="new") + heard_meanwhile})
    assert refused.outcome == "refused"
    assert words == ["old"] * times
    happen()
    assert words == ["old"] * times * 2


@pytest.mark.parametrize(("source", "happen", "times"), WAYS)
def test_p16_a_rollback_brings_the_listeners_back(
    tree: LiveTree, source: str, happen: Callable[[], None], times: int
) -> None:
    tree.write(FILES | {"shop.py": source.format(version="old")})
    tree.install()
    words = tree.module("heard").words
    tree.module("shop")
    tree.published({"shop.py": source.format(version="new")})
    transfuse.rollback()
    happen()
    assert words == ["old"] * times


@pytest.mark.parametrize(("source", "happen", "times"), WAYS)
def test_p6_a_listener_that_left_the_source_is_not_called(
    tree: LiveTree, source: str, happen: Callable[[], None], times: int
) -> None:
    tree.write(FILES | {"shop.py": source.format(version="old")})
    tree.install()
    words = tree.module("heard").words
    tree.module("shop")
    tree.published({"shop.py": "VERSION = 'none'\n"})
    happen()
    assert words == []
    tree.published({"shop.py": source.format(version="back")})
    happen()
    assert tree.module("heard").words == ["back"] * times


def test_p8_listeners_of_former_executions_are_let_go(tree: LiveTree) -> None:
    tree.write(FILES | {"shop.py": SESSIONS.format(version="0")})
    tree.install(keep=1)
    tree.module("shop")
    for version in range(1, 9):
        tree.published({"shop.py": SESSIONS.format(version=str(version))})
    gc.collect()
    modules = [each for each in gc.get_objects() if type(each) is types.ModuleType]
    file = str(tree.root / "shop.py")
    # The current one, and those that are kept for a rollback.
    assert sum(getattr(each, "__file__", None) == file for each in modules) == 2
    _flush()
    assert tree.module("heard").words == ["8"]


def test_p11_a_listener_can_be_asked_for_and_removed(tree: LiveTree) -> None:
    tree.write(FILES | {"shop.py": SESSIONS.format(version="old")})
    tree.install()
    words = tree.module("heard").words
    tree.module("shop")
    tree.published({"shop.py": SESSIONS.format(version="new")})
    before = tree.module("shop").before
    assert event.contains(Session, "before_flush", before)
    event.remove(Session, "before_flush", before)
    assert not event.contains(Session, "before_flush", before)
    _flush()
    assert words == []
    transfuse.rollback()
    _flush()
    assert words == ["old"]
