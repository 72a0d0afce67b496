"""An old and a new generation at once, and the same question to both.

The files of one program are written twice: a lone `@` in them is 1 in the old generation and 2 in
the new one. The test then asks code of each kind what it finds: pinned code, code left over from
the old generation, and new code.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import transfuse
from support.threads import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conftest import LiveTree


def at(files: Mapping[str, str], number: int) -> dict[str, str]:
    """Return the files of one generation."""
    return {name: re.sub(r"@(?![A-Za-z_])", str(number), text) for name, text in files.items()}


@contextlib.contextmanager
def two_worlds(tree: LiveTree, files: Mapping[str, str], **settings: Any) -> Iterator[None]:
    """Inside, the thread is pinned to the old generation while the new one is current.

    The module `web` is loaded in the old one, and with it what it imports.
    """
    tree.write(at(files, 1))
    tree.install(**settings)
    tree.module("web")
    with transfuse.pin():
        tree.published(at(files, 2))
        yield


def old_and_new_find(tree: LiveTree, files: Mapping[str, str], first: str) -> None:
    """Assert that each generation finds its own number at its first and at its next question.

    Args:
        tree: of the program.
        files: `prices.py`, in which `@` is edited, and `web.py`, whose `ask` returns a number.
        first: ``"old"`` or ``"new"``: the generation that asks first.
    """
    with two_worlds(tree, files):
        old: Callable[[], int] = tree.module("web").ask

        def new() -> int:
            return Worker(lambda: int(tree.module("web").ask())).result()

        found = {"old": old()} if first == "old" else {}
        found["new"] = new()
        found["old"] = old()
        assert found == {"old": 1, "new": 2}
    assert tree.module("web").ask() == 2
    tree.published(at({"prices.py": files["prices.py"]}, 3))
    assert tree.module("web").ask() == 3


def each_finds_its_own(tree: LiveTree, files: Mapping[str, str], **settings: Any) -> None:
    """Assert that live code of the old generation finds 1, and that new code finds 2.

    `files` has a `web.py` that differs between the two and has a function `ask`, which returns
    what it found, in a list.
    """
    tree.write(at(files, 1))
    tree.install(**settings)
    kept = tree.module("web").ask
    assert {1} == set(kept())
    with transfuse.pin():
        tree.published(at(files, 2))
        assert {1} == set(tree.module("web").ask())
        assert {1} == set(kept())
        assert {1} == set(Worker(kept).result())
        assert {2} == set(Worker(lambda: tree.module("web").ask()).result())
    assert {1} == set(kept())
    assert {2} == set(tree.module("web").ask())


def foreign_code_finds(
    tree: LiveTree, files: Mapping[str, str], ask: Callable[[], Any], **settings: Any
) -> None:
    """Assert that foreign code finds 1 if it is pinned to the old generation, and else 2."""
    tree.write(at(files, 1))
    tree.install(**settings)
    assert ask() == 1
    with transfuse.pin():
        tree.published(at(files, 2))
        assert ask() == 1
        assert Worker(ask).result() == 2
    assert ask() == 2
