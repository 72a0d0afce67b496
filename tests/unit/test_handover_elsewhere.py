"""What is told under a server that cannot hand over."""

from __future__ import annotations

import multiprocessing
import os
import sys
from types import ModuleType

import pytest

from transfuse.handover.elsewhere import advice

PARENT = os.getppid()


@pytest.mark.parametrize(
    ("modules", "has_parent", "words"),
    [
        ([], False, "restart the server"),
        (["uvicorn"], False, "restart the server"),
        (["uvicorn"], True, f"kill -HUP {PARENT} starts uvicorn's workers anew, and loses"),
        (["granian"], True, f"kill -HUP {PARENT} starts Granian's workers anew, and loses"),
        (
            ["hypercorn"],
            True,
            f"kill -HUP {PARENT} starts hypercorn's workers anew, and loses requests, on new",
        ),
        (["gunicorn.arbiter"], False, f"kill -HUP {PARENT} starts gunicorn's workers anew, and"),
        (["gunicorn.arbiter"], False, "and loses no request (with --preload"),
        (["gunicorn.arbiter", "uvicorn"], False, "and loses requests on connections"),
        (["mod_wsgi"], False, "apachectl -k graceful"),
    ],
)
def test_the_line_for_each_server_says_whether_it_loses_requests(
    monkeypatch: pytest.MonkeyPatch, modules: list[str], has_parent: bool, words: str
) -> None:
    for name in ("uvicorn", "granian", "hypercorn", "gunicorn.arbiter", "mod_wsgi"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: object() if has_parent else None)
    assert words in advice()
