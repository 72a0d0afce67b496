"""`transfuse` shows the public names and no others, whatever else has been imported."""

from __future__ import annotations

import subprocess
import sys

import transfuse

EVERYTHING = """
import importlib, pkgutil, transfuse
for module in pkgutil.walk_packages(transfuse.__path__, "transfuse."):
    if "celery" not in module.name:  # a task base class: importing it needs Celery
        importlib.import_module(module.name)
print(*dir(transfuse))
print(*(name for name in transfuse.__all__ if type(getattr(transfuse, name)).__name__ == "module"))
"""


def test_dir_shows_the_public_names_only() -> None:
    assert dir(transfuse) == sorted(transfuse.__all__)


def test_no_folder_takes_the_name_of_a_public_function() -> None:
    """Importing a submodule sets an attribute of its package, and would replace the function."""
    told = subprocess.run(
        [sys.executable, "-c", EVERYTHING], capture_output=True, text=True, check=True, timeout=60
    )
    names, modules = told.stdout.splitlines()
    assert names.split() == sorted(transfuse.__all__)
    assert modules == ""


def test_the_publisher_is_a_function() -> None:
    assert callable(transfuse.publisher)
    assert transfuse.publisher.__module__ == "transfuse.publishing.publisher"
