"""What a program's logging configuration does to the loggers of Transfuse."""

from __future__ import annotations

import logging
import logging.config
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.config.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import LiveTree

CONFIGURED: dict[str, Any] = {"version": 1, "disable_existing_loggers": True}
OURS = ("transfuse", "transfuse.workers", "transfuse.publisher", "transfuse.control")
INI = """
[loggers]
keys = root
[handlers]
keys = none
[formatters]
keys =
[logger_root]
handlers = none
[handler_none]
class = NullHandler
args = ()
"""


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    known = {name: logging.getLogger(name) for name in list(logging.root.manager.loggerDict)}
    disabled = {name: logger.disabled for name, logger in known.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, logger in known.items():
        logger.disabled = disabled[name]


@pytest.mark.parametrize("how", ["dict", "file"])
def test_a_configuration_that_disables_loggers_leaves_ours(how: str, tmp_path: Path) -> None:
    for name in OURS:
        get_logger(name)
    other = logging.getLogger("some.other")
    if how == "dict":
        logging.config.dictConfig(CONFIGURED)
    else:
        (tmp_path / "logging.ini").write_text(INI)
        logging.config.fileConfig(tmp_path / "logging.ini")
    assert other.disabled
    for name in OURS:
        assert not logging.getLogger(name).disabled, name


def test_a_module_that_configures_logging_does_not_hide_a_refusal(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write({"web.py": f"import logging.config\nlogging.config.dictConfig({CONFIGURED!r})\n"})
    tree.install()
    tree.module("web")
    logging.getLogger().addHandler(caplog.handler)
    assert tree.update({"web.py": "def ("}).outcome == "refused"
    assert "SyntaxError" in caplog.text


def test_a_level_and_what_is_disabled_on_purpose_hold() -> None:
    logging.config.dictConfig(
        {**CONFIGURED, "loggers": {"transfuse.control": {"level": "CRITICAL"}}}
    )
    logger = get_logger("transfuse.control")
    assert not logger.isEnabledFor(logging.ERROR)
    logger.setLevel(logging.NOTSET)
    logger.disabled = True
    assert logging.getLogger("transfuse.control").disabled
    assert not logger.isEnabledFor(logging.CRITICAL)
    logger.disabled = False


def test_a_logger_class_of_the_program_stays() -> None:
    class Louder(logging.Logger):
        def shout(self) -> str:
            return self.name.upper()

    logging.setLoggerClass(Louder)
    try:
        logger = get_logger("transfuse.tests_of_a_class")
    finally:
        logging.setLoggerClass(logging.Logger)
    assert isinstance(logger, Louder)
    assert logger.shout() == "TRANSFUSE.TESTS_OF_A_CLASS"
    logging.config.dictConfig(CONFIGURED)
    assert not logger.disabled
