"""Modules that call each other in a row, each with the version that its writer last saved.

A chain is a package that is saved as a whole: its files are written beside it, and then a link is
turned. A unit of work that sees two versions in one chain has seen a mix.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LINKS = 8
# Former versions that stay on disk, because a thread may be reading them.
_STAY = 20

# The code that all links have.
_COMMON = """\
VERSION = {version}
class Mark:
    version = VERSION
    def same(self): return VERSION
"""
# Half of the links import the next one at module level, half inside the functions.
_EAGER = (
    """\
import {next} as following
"""
    + _COMMON
    + """\
def ask():
    return (VERSION, *following.ask())
def steps():
    yield VERSION
    yield from following.steps()
async def wait(gate):
    first = VERSION
    await gate.wait()
    return (first, *following.ask())
async def drops(gate):
    yield VERSION
    await gate.wait()
    for each in following.ask():
        yield each
"""
)
_LAZY = (
    _COMMON
    + """\
def ask():
    import {next} as following
    return (VERSION, *following.ask())
def steps():
    yield VERSION
    from {next} import steps
    yield from steps()
async def wait(gate):
    first = VERSION
    await gate.wait()
    from {next} import ask
    return (first, *ask())
async def drops(gate):
    yield VERSION
    await gate.wait()
    import {next} as following
    for each in following.ask():
        yield each
"""
)
_LAST = (
    _COMMON
    + """\
def ask():
    return (VERSION,)
def steps():
    yield VERSION
"""
)


def sources(name: str, version: int) -> dict[str, str]:
    """The files of a chain, by their path under the root."""
    files = {f"{name}/__init__.py": "", f"{name}/link0.py": _LAST.format(version=version)}
    for link in range(1, LINKS):
        # The first one is lazy, so that a call that is held open has still to import.
        source = _EAGER if link % 2 == LINKS % 2 else _LAZY
        files[f"{name}/link{link}.py"] = source.format(
            version=version, next=f"{name}.link{link - 1}"
        )
    return files


class Chain:
    """A chain on disk."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name
        self.first = f"{name}.link{LINKS - 1}"
        self.save(1)

    def save(self, version: int) -> None:
        """Save all of it at one instant."""
        beside = self.root.parent / "versions"
        for path, text in sources(self.name, version).items():
            file = beside / str(version) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        turned = self.root.parent / f"{self.name}.next"
        turned.symlink_to(beside / str(version) / self.name)
        os.replace(turned, self.root / self.name)
        shutil.rmtree(beside / str(version - _STAY) / self.name, ignore_errors=True)
