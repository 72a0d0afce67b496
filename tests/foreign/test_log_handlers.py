"""The handlers that modules give to loggers: each line is written once."""

from __future__ import annotations

import logging
import logging.config
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

HANDLER = """\
    import logging

    handler = logging.StreamHandler()
    handler.set_name("edition {0}")
    logging.getLogger("tests.shop").addHandler(handler)
"""


@pytest.fixture(autouse=True)
def shop() -> Iterator[logging.Logger]:
    """Leave the logger as it was."""
    logger = logging.getLogger("tests.shop")
    yield logger
    logger.handlers.clear()


def names(logger: logging.Logger) -> list[str | None]:
    return [handler.name for handler in logger.handlers]


def test_p5_a_handler_of_a_foreign_class_is_replaced(tree: LiveTree, shop: logging.Logger) -> None:
    foreign = logging.NullHandler()
    foreign.set_name("foreign")
    shop.addHandler(foreign)
    tree.write({"logs.py": HANDLER.format(1)})
    tree.install()
    tree.module("logs")
    for edition in (2, 3):
        tree.published({"logs.py": HANDLER.format(edition)})
        assert names(shop) == ["foreign", f"edition {edition}"]


def test_p8_a_rollback_puts_the_handler_back(tree: LiveTree, shop: logging.Logger) -> None:
    tree.write({"logs.py": HANDLER.format(1)})
    tree.install(keep=3)
    tree.module("logs")
    tree.published({"logs.py": HANDLER.format(2)})
    tree.published({"logs.py": HANDLER.format(3)})
    transfuse.rollback(1)
    assert names(shop) == ["edition 1"]
    tree.published({"logs.py": HANDLER.format(4)})
    assert names(shop) == ["edition 4"]


def test_p4_a_refused_update_leaves_no_handler(tree: LiveTree, shop: logging.Logger) -> None:
    tree.write({"logs.py": HANDLER.format(1), "plain.py": "X = 1"})
    tree.install()
    tree.module("logs")
    tree.module("plain")
    changes = {"logs.py": HANDLER.format(2) + "    raise ValueError\n"}
    assert tree.update(changes).outcome == "refused"
    assert names(shop) == ["edition 1"]
    changes = {
        "logs.py": HANDLER.format(1),
        "plain.py": HANDLER.format(2) + "    raise ValueError\n",
    }
    assert tree.update(changes).outcome == "refused"
    assert names(shop) == ["edition 1"]


@pytest.mark.parametrize(
    "idempotent",
    [
        "if not logger.handlers:\n    logger.addHandler(logging.StreamHandler())",
        "logging.config.dictConfig(CONFIG)",
    ],
)
def test_p5_code_that_adds_a_handler_only_once_keeps_one(
    tree: LiveTree, shop: logging.Logger, idempotent: str
) -> None:
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"out": {"class": "logging.StreamHandler"}},
        "loggers": {"tests.shop": {"handlers": ["out"]}},
    }
    source = (
        f"import logging, logging.config\nCONFIG = {config!r}\n"
        f"logger = logging.getLogger('tests.shop')\n{idempotent}\n"
    )
    tree.write({"logs.py": source})
    tree.install()
    tree.module("logs")
    for edition in (2, 3, 4):
        tree.published({"logs.py": f"{source}EDITION = {edition}\n"})
        assert len(shop.handlers) == 1
    assert tree.update({"logs.py": f"{source}raise ValueError\n"}).outcome == "refused"
    assert len(shop.handlers) == 1


def test_p8_a_handler_goes_with_its_module(tree: LiveTree, shop: logging.Logger) -> None:
    tree.write({"logs.py": HANDLER.format(1), "main.py": "import logs\n"})
    tree.install()
    tree.module("main")
    (tree.root / "logs.py").unlink()
    tree.published({"main.py": ""})
    assert names(shop) == []


def test_p8_a_handler_that_a_request_adds_stays(tree: LiveTree, shop: logging.Logger) -> None:
    source = HANDLER + (
        "\n    def add():\n"
        "        logging.getLogger('tests.shop').addHandler(logging.NullHandler())\n"
    )
    tree.write({"logs.py": source.format(1)})
    tree.install()
    with transfuse.pin():
        tree.module("logs").add()
    tree.published({"logs.py": source.format(2)})
    assert names(shop) == [None, "edition 2"]


def test_p5_a_handler_that_another_thread_adds_meanwhile_stays(
    tree: LiveTree, shop: logging.Logger
) -> None:
    waiting = """\
        import logging

        def add():
            handler = logging.NullHandler()
            handler.set_name("of a request")
            logging.getLogger("tests.shop").addHandler(handler)
    """
    source = HANDLER
    tree.write({"views.py": waiting, "logs.py": source.format(1)})
    tree.install()
    tree.module("logs")
    elsewhere = threading.Event(), threading.Event()
    add = tree.module("views").add

    def request() -> None:
        elsewhere[0].wait(30)
        add()
        elsewhere[1].set()

    thread = threading.Thread(target=request)
    thread.start()
    sys.modules["meanwhile"] = module = ModuleType("meanwhile")
    vars(module)["EVENTS"] = elsewhere
    try:
        meet = "    from meanwhile import EVENTS; EVENTS[0].set(); assert EVENTS[1].wait(30)\n"
        tree.published({"logs.py": source.format(2) + meet})
    finally:
        del sys.modules["meanwhile"]
        thread.join()
    tree.published({"logs.py": source.format(3)})
    assert names(shop) == ["of a request", "edition 3"]


LIVE = """\
    import logging

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append("edition {0}")

    class Filter(logging.Filter):
        def filter(self, record):
            return True

    lines = []
    logger = logging.getLogger("tests.shop")
"""
ONCE = """\
    if not logger.handlers:
        logger.addHandler(Handler())
"""
KEPT = (
    "the logger tests.shop keeps a handler, a filter or a formatter of its former code: restart"
    " the server"
)


@pytest.mark.parametrize(
    "added", [ONCE, "    logger.addFilter(Filter()) if not logger.filters else None\n"]
)
def test_p5_a_handler_or_filter_of_former_code_that_stays_is_told(
    tree: LiveTree, shop: logging.Logger, added: str
) -> None:
    """As `logging.basicConfig` does, which adds none where there are any."""
    tree.write({"logs.py": LIVE.format(1) + added})
    tree.install()
    tree.module("logs")
    report = tree.update({"logs.py": LIVE.format(2) + added})
    assert [("logs", KEPT)] == [(each.name, each.what) for each in report.notes]
    shop.filters.clear()


@pytest.mark.parametrize(
    "added",
    ["    logger.addHandler(Handler())\n", ONCE.replace("Handler()", "logging.NullHandler()")],
)
def test_p5_a_handler_that_is_exchanged_or_of_a_foreign_class_is_not_told(
    tree: LiveTree, shop: logging.Logger, added: str
) -> None:
    tree.write({"logs.py": LIVE.format(1) + added})
    tree.install()
    tree.module("logs")
    assert () == tree.published({"logs.py": LIVE.format(2) + added}).notes
    assert len(shop.handlers) == 1


def test_p5_a_handler_that_a_request_has_added_is_told(
    tree: LiveTree, shop: logging.Logger
) -> None:
    source = LIVE + "    def request():\n    " + ONCE.replace("\n", "\n    ")
    tree.write({"logs.py": source.format(1)})
    tree.install()
    tree.module("logs").request()
    report = tree.update({"logs.py": source.format(2)})
    assert [("logs", KEPT)] == [(each.name, each.what) for each in report.notes]
    assert len(shop.handlers) == 1
