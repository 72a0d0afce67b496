"""The order of imports: each folder, or file at the top, uses only those before it."""

PACKAGE_LAYERS: tuple[str, ...] = (
    "errors",
    "_core",
    "version",
    "source",
    "memory",
    "config",
    "patching",
    "updates",
    "workers",
    "process",
    "frameworks",
    "control",
    "servers",
    "publishing",
    "cli",
    "__init__",
    "__main__",
)
