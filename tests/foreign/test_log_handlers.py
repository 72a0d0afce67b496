"""The handlers that modules give to loggers: each line is written once."""

from __future__ import annotations

import logging
import logging.config
import sys
import textwrap
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


# Code that looks for handlers first, with the edition in their format.
LOOKS_FIRST = {
    "by hand": """
        import logging
        logger = logging.getLogger("tests.shop")
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
            logger.handlers[-1].setFormatter(logging.Formatter("{0}%(message)s"))
        """,
    "a function of another module": """
        import logs
        logs.get_logger("{0}%(message)s")
        """,
    "basicConfig": """
        import logging
        own = logging.root.handlers[:]
        logging.root.handlers[:] = []
        logging.basicConfig(format="{0}%(message)s")
        handler, = logging.root.handlers
        logging.root.handlers[:] = own
        handlers = logging.getLogger("tests.shop").handlers
        if not handlers:
            handlers.append(handler)
        """,
}
LOGS = """
    import logging
    def get_logger(form):
        logger = logging.getLogger("tests.shop")
        if not logger.hasHandlers() or not logger.handlers:
            handler = logging.StreamHandler()
            handler.setFormatter(logging.Formatter(form))
            logger.addHandler(handler)
        return logger
    """


def editions(logger: logging.Logger) -> list[str]:
    record = logging.makeLogRecord({})
    return [f"edition {handler.format(record)}" for handler in logger.handlers]


@pytest.mark.parametrize("source", LOOKS_FIRST.values(), ids=LOOKS_FIRST)
def test_p5_code_that_looks_for_handlers_first_finds_none_of_its_former_run(
    tree: LiveTree, policy: str, shop: logging.Logger, source: str
) -> None:
    tree.write({"main.py": source.format(1), "logs.py": LOGS})
    tree.install(policy=policy)
    tree.module("main")
    for edition in (2, 3):
        before = shop.handlers
        tree.published({"main.py": source.format(edition)})
        assert editions(shop) == [f"edition {edition}"]
        assert shop.handlers is before
    assert tree.update({"main.py": source.format(4) + "1 / 0\n"}).outcome == "refused"
    assert editions(shop) == ["edition 3"]


def test_p4_requests_log_by_the_former_handler_while_it_runs_again(
    tree: LiveTree, shop: logging.Logger, outside: Any
) -> None:
    source = LOOKS_FIRST["by hand"] + "\n        import outside; outside.meanwhile()\n"
    outside.meanwhile = lambda: None
    tree.write({"main.py": source.format(1)})
    tree.install()
    tree.module("main")
    seen: list[list[str]] = []

    def meanwhile() -> None:
        request = threading.Thread(target=lambda: seen.append(editions(shop)[:1]))
        request.start()
        request.join()
        seen.append(editions(shop))

    outside.meanwhile = meanwhile
    tree.published({"main.py": source.format(2)})
    assert seen == [["edition 1"], ["edition 2"]]


@pytest.mark.parametrize(
    "once",
    [
        'transfuse.once("handler", configure)',
        "if not outside.ran: outside.ran.append(configure())",
    ],
)
def test_p7_a_handler_that_is_given_once_stays(
    tree: LiveTree, shop: logging.Logger, outside: Any, once: str
) -> None:
    assert not outside.ran
    source = f"""
        import outside, transfuse
        def configure():
            {textwrap.indent(textwrap.dedent(HANDLER), " " * 12).strip()}
        {once}
        """
    tree.write({"app.py": "import logs, later\n", "later.py": LOOKS_FIRST["by hand"].format(0)})
    tree.write({"logs.py": source.format(1)})
    tree.install()
    tree.module("app")
    for edition in (2, 3):
        later = LOOKS_FIRST["by hand"].format(edition)
        tree.published({"logs.py": source.format(edition), "later.py": later})
        assert names(shop) == ["edition 1"]


def test_p7_a_preserved_handler_that_is_given_again_stays(
    tree: LiveTree, shop: logging.Logger
) -> None:
    source = '__preserve__ = ["handler"]\n' + textwrap.dedent(HANDLER)
    tree.write({"logs.py": source.format(1)})
    tree.install()
    tree.module("logs")
    for edition in (2, 3):
        tree.published({"logs.py": source.format(1) + f"EDITION = {edition}\n"})
        assert names(shop) == ["edition 1"]


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


def test_p5_a_filter_of_former_code_that_stays_is_told(
    tree: LiveTree, shop: logging.Logger
) -> None:
    added = "    logger.addFilter(Filter()) if not logger.filters else None\n"
    tree.write({"logs.py": LIVE.format(1) + added})
    tree.install()
    tree.module("logs")
    report = tree.update({"logs.py": LIVE.format(2) + added})
    assert [("logs", KEPT)] == [(each.name, each.what) for each in report.notes]
    names = [f"tests.shop.{number}" for number in range(1, 5)]
    all_added = (
        added + f"    for name in {names}:\n        logging.getLogger(name).addFilter(Filter())\n"
    )
    tree.published({"logs.py": LIVE.format(3) + all_added})
    (note,) = tree.published({"logs.py": LIVE.format(4) + added}).notes
    assert note.what == KEPT.replace(
        "logger tests.shop keeps",
        "loggers tests.shop.1, tests.shop.2, tests.shop.3 and 1 more keep",
    )
    for each in (shop, *map(logging.getLogger, names)):
        each.filters.clear()


@pytest.mark.parametrize(
    "added",
    [
        "    logger.addHandler(Handler())\n",
        ONCE,
        ONCE.replace("Handler()", "logging.NullHandler()"),
    ],
)
def test_p5_a_handler_that_is_exchanged_or_of_a_foreign_class_is_not_told(
    tree: LiveTree, shop: logging.Logger, added: str
) -> None:
    tree.write({"logs.py": LIVE.format(1) + added})
    tree.install()
    tree.module("logs")
    assert () == tree.published({"logs.py": LIVE.format(2) + added}).notes
    assert len(shop.handlers) == 1


def test_p14_a_handler_that_a_function_made_is_told(tree: LiveTree, shop: logging.Logger) -> None:
    source = LOGS + "    EDITION = {0}\n    def plain(): ...\n"
    tree.write({"logs.py": source.format(1), "app.py": "import logs\n"})
    tree.install()
    tree.module("app").logs.get_logger("%(message)s")
    report = tree.published({"logs.py": source.format(2)})
    (note,) = report.notes
    assert note.name == "logs"
    assert "gave to the logger 'tests.shop' stays as it is" in note.what
    shop.handlers.clear()
    assert not tree.published({"logs.py": source.format(3)}).notes
