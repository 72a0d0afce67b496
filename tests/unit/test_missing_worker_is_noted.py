"""A worker that ends while another one is being replaced is replaced as well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("granian")

from transfuse.cli.team_server import TeamServer


def test_p9_one_that_ends_at_that_moment_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    server: Any = TeamServer.__new__(TeamServer)
    replaced: list[list[int]] = []
    server.interrupt_children, server.respawned_wrks, server.wrks = [1], {}, []
    server._again, server._spawn_target = 0.0, None
    server._loader = SimpleNamespace(in_place=lambda: None)

    def failure() -> str:
        # A thread of Granian's notes the end of the other one.
        server.interrupt_children.append(0)
        return ""

    monkeypatch.setattr(server, "_take_failure", failure)
    monkeypatch.setattr(server, "_prepare", lambda: None)
    monkeypatch.setattr(server, "_respawn_workers", lambda indices, *_: replaced.append(indices))
    assert server._replace()
    assert (replaced, server.interrupt_children) == ([[1]], [0])
