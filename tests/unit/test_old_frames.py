"""An exception of old code that reaches a server which reads lines from files."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from transfuse.servers.request_pin import UnitOfWork

if TYPE_CHECKING:
    from conftest import LiveTree

BEFORE = "def fail():\n    raise ValueError('x')  # the old line\n"
AFTER = "# one more line\n\n\n" + BEFORE.replace("old", "new")


def raised(function: Any) -> ValueError:
    """The exception of a function, as a server gets it from a request."""
    with pytest.raises(ValueError, match="x") as caught, UnitOfWork("GET /"):
        function()
    return caught.value


@pytest.mark.parametrize("server", ["granian", "another"])
def test_the_true_lines_are_logged(
    tree: LiveTree,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delitem(sys.modules, "granian", raising=False)
    monkeypatch.setitem(sys.modules, server, ModuleType(server))
    tree.write({"web.py": BEFORE})
    tree.install()
    fail = tree.module("web").fail
    assert raised(fail).__traceback__ is not None
    assert not caplog.records
    tree.write({"web.py": AFTER})
    error = raised(fail)
    assert ("# the old line" in caplog.text) == (server == "granian")
    files = []
    step = error.__traceback__
    while step is not None:
        files.append(step.tb_frame.f_code.co_filename)
        step = step.tb_next
    assert (str(tree.root / "web.py") in files) == (server != "granian")
