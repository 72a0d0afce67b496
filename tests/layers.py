"""The order of imports: a folder uses only folders before it."""

from __future__ import annotations

BINDING_LAYERS: tuple[str, ...] = (
    "cpython",
    "code",
    "state",
    "sysmodules",
    "effects",
    "loading",
    "hooks",
    "update",
    "updater",
    "api",
    "lib",
)
ENGINE_LAYERS: tuple[str, ...] = (
    "base",
    "concurrency",
    "fs",
    "roots",
    "sources",
    "last_served",
    "plan",
    "generations",
    "watch",
    "lib",
)
PACKAGE_LAYERS: tuple[str, ...] = (
    "errors",
    "_core",
    "version",
    "source",
    "memory",
    "config",
    "runtime",
    "patching",
    "updates",
    "registrations",
    "workers",
    "last_served",
    "process",
    "frameworks",
    "control",
    "handover",
    "servers",
    "publishing",
    "cli",
    "__init__",
    "__main__",
)
# Files that may import each other, because each has a field of the other's type. Elsewhere the
# imports between files form no circle.
STATED_CIRCLES: tuple[frozenset[str], ...] = (
    frozenset({"state/generation.rs", "state/live_module.rs", "state/staging_area.rs"}),
)
