"""Updates report signal handlers of former code, which only the main thread can replace."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import LiveTree

GUARDED = """
    import functools, signal, threading
    class Stop:
        def now(self, number, frame): return {0}
    def stop(number, frame): return {0}
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR2, {1})
    """


@pytest.fixture(autouse=True)
def own_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR2, before)


@pytest.mark.parametrize("handler", ["stop", "Stop().now", "functools.partial(stop)"])
def test_p14_former_code_goes_on_handling_a_signal(tree: LiveTree, handler: str) -> None:
    tree.write({"stops.py": GUARDED.format(1, handler), "app.py": "import stops\n"})
    tree.install()
    tree.module("app")
    (note,) = tree.published({"stops.py": GUARDED.format(2, handler)}).notes
    assert note.name == "stops"
    assert note.what.startswith("its former code goes on handling SIGUSR2")
    assert not tree.published({"app.py": "import stops\nEDITION = 2\n"}).notes


def test_a_handler_that_the_update_sets_is_not_told(tree: LiveTree) -> None:
    source = '__thread__ = "main"\n' + GUARDED.replace("\n    ", "\n")
    tree.write({"stops.py": source.format(1, "stop")})
    tree.install()
    tree.module("stops")
    assert not tree.published({"stops.py": source.format(2, "stop")}).notes
    assert signal.getsignal(signal.SIGUSR2)(signal.SIGUSR2, None) == 2  # type: ignore[misc, operator]
