"""What module-level code sets on foreign modules and classes is set once, however often it runs."""

from __future__ import annotations

import builtins
import json
import sys
import textwrap
import threading
from typing import TYPE_CHECKING

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree
    from transfuse.updates.reports import Report

PATCHES = {
    "a module": """
        import json
        plain = json.dumps
        def dumps(*args):
            return plain(*args) + "@"
        json.dumps = dumps
        """,
    "setattr": """
        import json
        plain = json.dumps
        def dumps(*args):
            return plain(*args) + "@"
        setattr(json, "dumps", dumps)
        """,
    "a function": """
        import json
        plain = json.dumps
        def dumps(*args):
            return plain(*args) + "@"
        def patch():
            json.dumps = dumps
        patch()
        """,
    "a class": """
        import json
        plain = json.JSONEncoder.encode
        def encode(self, value):
            return plain(self, value) + "@"
        json.JSONEncoder.encode = encode
        """,
    "a class that is imported by its name": """
        from json import JSONEncoder as Encoder
        plain = Encoder.encode
        def encode(self, value):
            return plain(self, value) + "@"
        Encoder.encode = encode
        """,
}


@pytest.mark.parametrize("patch", PATCHES)
def test_p11_a_wrapper_does_not_wrap_its_former_one(
    tree: LiveTree, policy: str, patch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target, name in ((json, "dumps"), (json.JSONEncoder, "encode")):
        monkeypatch.setattr(target, name, getattr(target, name))
    source = textwrap.dedent(PATCHES[patch])
    tree.write({"traced.py": source.replace("@", "1")})
    tree.install(policy=policy)
    tree.module("traced")
    assert json.dumps(0) == "01"
    for number in "23":
        tree.published({"traced.py": source.replace("@", number)})
        assert json.dumps(0) == "0" + number
    refused = source.replace("@", "4") + "raise ValueError\n"
    assert tree.update({"traced.py": refused}).outcome == "refused"
    assert json.dumps(0) == "03"
    tree.published({"traced.py": ""})
    assert json.dumps(0) == "0"


# Each redirects in a function that requests call: `capture.to()`, `capture.back(stream)`.
CAPTURES = {
    "an object of a foreign class": """
        import sys, io
        def to():
            sys.stdout = io.StringIO()
            return sys.stdout
        def back(stream):
            sys.stdout = stream
        """,
    "an object of a class of its own": """
        import sys, io
        class Stream(io.StringIO):
            name = "captured"
        def to():
            sys.stdout = Stream()
            return sys.stdout
        def back(stream):
            sys.stdout = stream
        """,
    "setattr": """
        import sys, io
        def to():
            setattr(sys, "stdout", io.StringIO())
            return sys.stdout
        def back(stream):
            setattr(sys, "stdout", stream)
        """,
}
# Runs until the request has set the attribute.
SLOW = """
import builtins
if hasattr(builtins, "running"):
    builtins.running.set()
    assert builtins.captured.wait(30), "the request has captured nothing"
"""


@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("end", ["", "raise ValueError\n"], ids=["published", "refused"])
def test_p9_what_a_request_sets_meanwhile_stays(
    tree: LiveTree, policy: str, capture: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, captured = threading.Event(), threading.Event()
    source = textwrap.dedent(CAPTURES[capture])
    tree.write({"capture.py": source})
    tree.install(policy=policy)
    module = tree.module("capture")
    monkeypatch.setattr(builtins, "running", running, raising=False)
    monkeypatch.setattr(builtins, "captured", captured, raising=False)
    before = sys.stdout
    reports: list[Report] = []
    edit = {"capture.py": source + SLOW + end}
    update = threading.Thread(target=lambda: reports.append(tree.update(edit)))
    with transfuse.pin():
        update.start()
        assert running.wait(30), "the update has not run the module"
        stream = module.to()
        try:
            captured.set()
            update.join(30)
            assert sys.stdout is stream, f"after {reports[0].outcome} it is {sys.stdout!r}"
        finally:
            module.back(before)
    assert reports[0].outcome == ("refused" if end else "published")
    assert sys.stdout is before
