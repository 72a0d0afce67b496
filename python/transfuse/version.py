"""Which Transfuse is this?"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("transfuse")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
