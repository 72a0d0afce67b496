"""What differs between an updated process and a fresh one, and how did the step go?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from replay.look import Seen

Way = Literal["live", "widened", "restart", "refused", "unchanged"]
# How a report says that the plan had to be widened.
_WIDENED = "failed without it"


def way(report: dict[str, Any]) -> Way:
    """Describe an update, from its report as JSON."""
    if report["restart"]:
        return "restart"
    if report["outcome"] != "published":
        return "refused" if report["outcome"] == "refused" else "unchanged"
    return "widened" if any(_WIDENED in reason for _, reason in report["ran"]) else "live"


def differences(fresh: Seen, updated: Seen) -> list[str]:
    """Describe the differences."""
    return list(_walk((), fresh, updated))


def _walk(place: tuple[str, ...], fresh: Any, updated: Any) -> Iterator[str]:
    if isinstance(fresh, dict) and isinstance(updated, dict):
        for key in sorted(fresh.keys() | updated.keys()):
            there = (*place, key)
            if key not in fresh:
                yield f"{': '.join(there)}: is there, not in a fresh process"
            elif key not in updated:
                yield f"{': '.join(there)}: is not there"
            else:
                yield from _walk(there, fresh[key], updated[key])
    elif fresh != updated:
        yield f"{': '.join(place)}: {updated!r:.300}, in a fresh process {fresh!r:.300}"
