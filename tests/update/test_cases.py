"""The update scenarios of `tests/update/cases`, each under every policy that can express it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import transfuse
from conftest import CAP, LiveTree

CASES = Path(__file__).parent / "cases"
# Settings that a case needs; see tests/update/cases/README.md.
# What `patch` cannot express: the function that a coroutine goes on to call is the one it knows,
# with new code. Isolation is what the other policies are for.
NOT_IN_PLACE = ("68_coroutine_in_flight",)
PRESERVE = {"60_preserve_cache_dict": ["_cache"], "61_preserve_lock_held": ["_lock"]}


def _cases() -> list[Any]:
    found = []
    for folder in sorted(CASES.iterdir()):
        if folder.is_dir():
            found += [
                pytest.param(folder, policy, id=f"{folder.name}-{policy}")
                for policy in ("overlay", "fresh", "patch")
                if policy != "patch" or folder.name not in NOT_IN_PLACE
            ]
    return found


def _apply(step: Path, root: Path, save: str, same_mtime: bool) -> None:
    """Make the tree what the step's is: change, create, delete."""
    wanted = {path.relative_to(step) for path in step.rglob("*") if path.is_file()}
    for path in [path for path in root.rglob("*") if path.is_file()]:
        if "__pycache__" not in path.parts and path.relative_to(root) not in wanted:
            path.unlink()
    for name in sorted(wanted):
        target, content = root / name, (step / name).read_bytes()
        if target.exists() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        old = target.stat() if target.exists() else None
        if save == "rename":
            temporary = target.with_name(target.name + ".new")
            temporary.write_bytes(content)
            os.replace(temporary, target)
        else:
            target.write_bytes(content)
        if same_mtime and old is not None:
            os.utime(target, ns=(old.st_atime_ns, old.st_mtime_ns))


def _poll(probe: str, scope: dict[str, Any], expected: object) -> object:
    """Ask until it is right, as the cases' README says; the last answer if it never is."""
    deadline = time.monotonic() + CAP
    while True:
        try:
            actual = eval(probe, scope)
        except Exception as error:  # before the update the probe may ask for what is not there yet
            actual = repr(error)
        if actual == expected or time.monotonic() > deadline:
            return actual
        time.sleep(0.002)  # between two looks, not instead of one


# One case opens a file and leaves it to the collector, as much code in the world does.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("folder", "policy"), _cases())
def test_case(folder: Path, policy: str, tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    # One case wraps it; this puts it back.
    monkeypatch.setattr(json, "dumps", json.dumps)
    case = json.loads((folder / "case.json").read_text())
    shutil.copytree(folder / "before", tree.root, dirs_exist_ok=True)
    preserve = PRESERVE.get(folder.name)
    modules = {"*": {"preserve": preserve}} if preserve else None
    tree.install(watch=True, policy=policy, modules=modules)
    keep: dict[str, Any] = {}
    scope: dict[str, Any] = {"M": tree.module, "keep": keep, "sys": sys}
    for name in case["imports"]:
        tree.module(name)
    exec(case["setup"], scope)
    assert eval(case["probe_before"], scope) == eval(case["expect_before"], scope)
    try:
        for step in case["steps"]:
            seen = len(tree.reports)
            _apply(folder / step["dir"], tree.root, case["save"], case["same_mtime"])
            right = "expect" if policy == "patch" else "expect_generation"
            expected = eval(step[right], scope)
            if step["wait"] == "settle":
                tree.wait(lambda _: True, after=seen)
                actual = eval(step["probe"], scope)
            else:
                actual = _poll(step["probe"], scope, expected)
            assert expected == actual, tree.reports
    finally:
        exec(case["stop"], scope)


def test_every_case_is_there() -> None:
    assert len([folder for folder in CASES.iterdir() if folder.is_dir()]) == 32
    assert transfuse.__version__
