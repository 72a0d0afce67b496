"""A file that a cached function reads at a request is a dependency of its module."""

from __future__ import annotations

import textwrap

import pytest

from conftest import LiveTree, ran

HEAD = """
import functools
from pathlib import Path
HERE = Path(__file__).parent
"""
CACHED = {
    "lru_cache": """
        @functools.lru_cache
        def settings():
            return (HERE / ".env").read_text()
        """,
    "a helper reads it": """
        def read():
            return (HERE / ".env").read_text()
        @functools.cache
        def settings():
            return read()
        """,
    "a class reads it": """
        class Settings:
            def __init__(self):
                with open(HERE / ".env") as file:
                    self.text = file.read()
        @functools.lru_cache(maxsize=1)
        def make():
            return Settings()
        def settings():
            return make().text
        """,
    "a method": """
        class Settings:
            @functools.lru_cache
            def read(self):
                return (HERE / ".env").read_text()
        settings = Settings().read
        """,
}


@pytest.mark.parametrize("cached", CACHED)
def test_p5_a_file_that_a_cached_function_read_when_it_was_called(
    tree: LiveTree, policy: str, cached: str
) -> None:
    tree.write({"conf.py": HEAD + textwrap.dedent(CACHED[cached]), ".env": "1"})
    tree.write({"web.py": "import conf\n"})
    tree.install(policy=policy)
    assert tree.module("web").conf.settings() == "1"
    for text in ("2", "3"):
        assert ran(tree.published({".env": text})) == ["conf", "web"]
        assert tree.module("web").conf.settings() == text


def test_a_file_that_a_function_reads_at_each_call_runs_nothing(tree: LiveTree) -> None:
    tree.write({"conf.py": HEAD + "def settings(): return (HERE / '.env').read_text()\n"})
    tree.write({".env": "1"})
    tree.install()
    assert tree.module("conf").settings() == "1"
    assert tree.update({".env": "2"}).outcome == "unchanged"
    assert tree.module("conf").settings() == "2"
