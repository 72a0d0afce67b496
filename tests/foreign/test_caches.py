"""P12: what caches hold is not registered, so an update does not search for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from transfuse.registrations import exchange
from transfuse.registrations.search import Search

if TYPE_CHECKING:
    from conftest import LiveTree

HOLDERS = {
    "typing": "import typing\nMAYBE = typing.Optional[Tea]\nMANY = typing.List[MAYBE]\n",
    "overload": (
        "import typing\n"
        "@typing.overload\ndef price(tea: Tea) -> int: ...\n"
        "@typing.overload\ndef price(tea: str) -> int: ...\n"
        "def price(tea): return 1\n"
    ),
    "abc": "import collections.abc\nassert not isinstance(Tea(), collections.abc.Sized)\n",
    "lru_cache": (
        "import functools\n@functools.lru_cache\ndef named(name): return Tea\nnamed('green')\n"
    ),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_p12_caches_cost_no_search(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, holder: str
) -> None:
    searches: list[object] = []

    def made(*args: Any) -> Search:
        searches.append(args)
        return Search(*args)

    monkeypatch.setattr(exchange, "Search", made)
    source = "class Tea:\n    def price(self): return {0}\n" + HOLDERS[holder]
    tree.write({"plugin.py": source.replace("{0}", "1")})
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": source.replace("{0}", "2")})
    assert searches == []
