"""P11: `mock.patch` and `monkeypatch` over an update, as docs/limitations.md advises."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING
from unittest import mock

import pytest

import transfuse

if TYPE_CHECKING:
    from conftest import LiveTree


@pytest.mark.parametrize("way", ["mock.patch", "monkeypatch"])
def test_p11_a_patch_inside_a_pin_is_of_one_generation(
    tree: LiveTree, policy: str, way: str
) -> None:
    tree.write({"shop.py": "V = 1\ndef f(): return V\n"})
    tree.install(policy=policy)
    old = tree.module("shop")
    shown = importlib.import_module("shop")
    with transfuse.pin():
        with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as patches:
            if way == "mock.patch":
                patches.enter_context(mock.patch("shop.f", return_value="mocked"))
            else:
                patch.setattr("shop.f", lambda: "mocked")
            tree.published({"shop.py": "V = 2\ndef f(): return V\n"})
            assert shown.f() == "mocked"
        assert shown.f() == 1
    assert (shown.f(), tree.module("shop").f(), old.f()) == (2, 2, 1)
