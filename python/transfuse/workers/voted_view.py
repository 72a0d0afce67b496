"""Which content do the workers vote on?

All source of a worker has one digest, which the others have as well if they serve the same. Of
other files, such as templates and data, each worker knows only those that its own code has read. So
those that a change concerns are named with the update, and a worker takes the others' word for a
file that it does not know.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from transfuse import _core
from transfuse.config.native import json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transfuse.workers.protocol import Said

    BackTo = tuple[int, float | None]


def named(source: str, others: Mapping[str, str]) -> str:
    """Return one name for a content.

    Args:
        source: the digest of all source.
        others: the digest of each other file that has changed since the server was started.
    """
    if not others:
        return source
    text = json.dumps(sorted(others.items())).encode()
    return f"{source}-{_core.digest(text)}"


class VotedView:
    """The other files than source that have changed in this server.

    Attributes:
        others: the digest of each, as the workers have last agreed; `{"/srv/page.html": "0b1c"}`.
    """

    def __init__(self) -> None:
        self.others: dict[str, str] = {}
        # As the last order of the coordinator has them.
        self._heard: dict[str, str] = {}
        # The rollback that the order is about, if it is one.
        self._back: list[object] | None = None

    def hear(self, order: Said) -> None:
        """Take the word of the others for the files that an order names."""
        self._heard = order.get("others", {})
        self._back = order.get("back")

    def forget(self) -> None:
        """Drop what was heard: the vote is over."""
        self._heard, self._back = {}, None

    def staged(self, paths: Sequence[str], back: BackTo | None) -> tuple[str, dict[str, str]]:
        """Return what the update under way would serve: its name, and the files that are no source.

        Args:
            paths: the files that it changes.
            back: the rollback that it is, or None.
        """
        others = {**self.others, **self._heard}
        follows = back is not None and list(back) == self._back
        for path, (digest, kind) in _core.other_files(paths, wanted=True).items():
            name = os.fspath(path)
            # Of data no content is kept. A worker that goes back with another may have none.
            is_certain = kind == "served" or (kind == "data" and not follows)
            if is_certain or (back is not None and name not in self._heard):
                others[name] = digest
        return named(_core.wanted_view() or "", others), others

    def is_served(self, order: Said) -> bool:
        """Whether this process serves what an order is about, as far as it knows the files."""
        _, source = _core.view()
        # The view that was voted on has changes that wait for a restart, which none of them serves.
        if source != order.get("source") and (
            named(source, order.get("others", {})) != order["view"]
        ):
            return False
        kinds = {"served"} if order.get("back") else {"served", "data"}
        return not self.differing(order, kinds)

    def differing(self, order: Said, kinds: set[str]) -> list[str]:
        """Return the files of which this process knows other content than an order is about.

        Args:
            order: of the coordinator.
            kinds: which of ``"served"`` and ``"data"`` count.
        """
        others: dict[str, str] = order.get("others", {})
        known = _core.other_files(order.get("paths", [*others]))
        found = {os.fspath(path): (digest, kind) for path, (digest, kind) in known.items()}
        return sorted(
            name
            for name, (digest, kind) in found.items()
            if kind in kinds and others.get(name, digest) != digest
        )
