"""P5: the levels that module-level code gives to loggers go with the code that set them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

import transfuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

LEVEL = "import logging\nlogging.getLogger('tests.shop').setLevel({})\n"
# The same by a configuration that another module has.
CONFIGURED = """
import logging.config
import conf
common = {"version": 1, "disable_existing_loggers": False}
logging.config.dictConfig({**common, "loggers": conf.LOGGERS})
"""


@pytest.fixture(autouse=True)
def shop() -> Iterator[logging.Logger]:
    """Leave the logger as it was."""
    logger = logging.getLogger("tests.shop")
    logger.setLevel(logging.INFO)
    yield logger
    logger.setLevel(logging.NOTSET)
    logging.disable(logging.NOTSET)


def test_a_level_that_the_source_no_longer_sets_is_as_before(
    tree: LiveTree, policy: str, shop: logging.Logger
) -> None:
    tree.write({"logs.py": LEVEL.format(40) + "logging.disable(5)\n"})
    tree.install(policy=policy)
    tree.module("logs")
    assert (shop.level, logging.root.manager.disable) == (40, 5)
    tree.published({"logs.py": LEVEL.format(30) + "logging.disable(5)\n"})
    assert (shop.level, logging.root.manager.disable) == (30, 5)
    tree.published({"logs.py": "import logging\n"})
    assert (shop.level, logging.root.manager.disable) == (logging.INFO, 0)
    transfuse.rollback()
    assert (shop.level, logging.root.manager.disable) == (30, 5)


def test_a_level_of_a_configuration_goes_with_its_entry(
    tree: LiveTree, policy: str, shop: logging.Logger
) -> None:
    conf = "LOGGERS = {'tests.other': {'level': 30}, %s}\n"
    tree.write({"conf.py": conf % "'tests.shop': {'level': 40}", "logs.py": CONFIGURED})
    tree.install(policy=policy)
    tree.module("logs")
    assert shop.level == 40
    tree.published({"conf.py": conf % ""})
    assert (shop.level, logging.getLogger("tests.other").level) == (logging.INFO, 30)


def test_a_level_that_another_module_sets_as_well_is_that_one(
    tree: LiveTree, shop: logging.Logger
) -> None:
    tree.write(
        {
            "first.py": LEVEL.format(30),
            "logs.py": LEVEL.format(40),
            "app.py": "import first, logs\n",
        }
    )
    tree.install()
    tree.module("app")
    assert shop.level == 40
    tree.published({"logs.py": ""})
    assert shop.level == 30


@pytest.mark.parametrize("guard", ["once", "flag"])
def test_a_level_that_is_set_once_stays(tree: LiveTree, shop: logging.Logger, guard: str) -> None:
    calls = {
        "once": "transfuse.once('levels', lambda: shop.setLevel(40))\n",
        "flag": "if shop.level == 20: shop.setLevel(40)\n",
    }
    source = "import logging, transfuse\nshop = logging.getLogger('tests.shop')\n" + calls[guard]
    tree.write({"logs.py": source})
    tree.install()
    tree.module("logs")
    for number in (2, 3):
        tree.published({"logs.py": source + f"EDITION = {number}\n"})
        assert shop.level == 40
    tree.published({"logs.py": ""})
    assert shop.level == logging.INFO


def test_p4_a_refused_update_leaves_the_level(tree: LiveTree, shop: logging.Logger) -> None:
    tree.write({"logs.py": LEVEL.format(40)})
    tree.install()
    tree.module("logs")
    assert tree.update({"logs.py": LEVEL.format(30) + "1 / 0\n"}).outcome == "refused"
    assert shop.level == 40


def test_a_level_that_a_request_has_set_stays(tree: LiveTree, shop: logging.Logger) -> None:
    tree.write(
        {
            "logs.py": LEVEL.format(40)
            + "def debug():\n    logging.root.getChild('tests.shop').setLevel(10)\n"
        }
    )
    tree.install()
    tree.module("logs").debug()
    tree.published({"logs.py": ""})
    assert shop.level == 10
