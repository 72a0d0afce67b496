"""An application of any size, generated: packages, each of modules in a chain, and one leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAIN = "app.main"
LEAF = "app.leaf"
# What an edit of the leaf has to run: the leaf, its three importers, and what imports these.
CONCERNED = (LEAF, "app.front.one", "app.front.two", "app.front.three", MAIN)

# Modules of one package.
_PACKAGE = 50
_BODY = """
VALUE = {number}


class Thing:
    def work(self, x):
        return x + VALUE


def work(x):
    return Thing().work(x)
"""


def write_application(root: Path, modules: int) -> None:
    """Write the package `app` below `root`; importing `app.main` loads exactly so many modules."""
    sources = {"app": "", LEAF: leaf_source(0), "app.front": "", "app.parts": ""}
    sources[MAIN] = "".join(f"import {name}\n" for name in (*CONCERNED[1:4], "app.parts"))
    for name in CONCERNED[1:4]:
        sources[name] = "from app.leaf import VALUE\nTAKEN = VALUE\n"
    packages: dict[str, list[str]] = {}
    while len(sources) < modules:
        package = f"app.part{len(packages):03}"
        sources[package] = ""
        for number in range(min(_PACKAGE, modules - len(sources))):
            name = f"m{number:02}"
            packages.setdefault(package, []).append(name)
            # Each imports the one before it.
            before = f"from . import m{number - 1:02}\n" if number else ""
            sources[f"{package}.{name}"] = before + _BODY.format(number=number)
    for package, names in packages.items():
        sources[package] = f"from . import {', '.join(names)}\n"
    sources["app.parts"] = "".join(f"import {package}\n" for package in packages)
    for name, source in sources.items():
        path = root.joinpath(*name.split("."))
        is_package = name in ("app", "app.front") or name in packages
        path = path / "__init__.py" if is_package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)


def leaf_source(value: int) -> str:
    """Return the source of the leaf."""
    return f"VALUE = {value}\n"
