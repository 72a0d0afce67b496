"""What module-level code sets on foreign modules and classes is set once, however often it runs."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LiveTree

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
