"""P5: if no value is carried, the result is what a fresh process imports from the same files."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from ast import literal_eval
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import transfuse
from model import kept_world, world
from model.fresh import Fresh
from model.look import look

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def fresh() -> Iterator[Fresh]:
    process = Fresh()
    yield process
    process.close()


class Process:
    """A live application in a folder of its own."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.modules = modules
        self.root = Path(tempfile.mkdtemp(prefix="transfuse-model-"))
        self._before = set(sys.modules)

    def save(self, files: dict[str, str]) -> None:
        """Make the tree what `files` says."""
        for path in [path for path in self.root.rglob("*") if path.is_file()]:
            if str(path.relative_to(self.root)) not in files:
                path.unlink()
                for folder in path.relative_to(self.root).parents[:-1]:
                    # As git does: an empty folder is a namespace package to a fresh process.
                    if not any((self.root / folder).iterdir()):
                        (self.root / folder).rmdir()
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def see(self) -> dict[str, Any]:
        return plain(look(self.modules))

    def is_comparable(self, told: dict[str, Any]) -> bool:
        """Whether a fresh process could be like this one, which has told what it sees.

        Not if the application does not load: there is nothing to be served, and a restart costs
        nothing. Python keeps what was loaded on the way to the failure (language reference,
        "Loading"). Nor if a function that imports has left a submodule of a package that failed:
        the same import succeeds when it is tried again, without the package.
        """
        return not isinstance(told["main"], str) and not any(
            name.rpartition(".")[0] not in sys.modules
            for name in self.modules
            if "." in name and name in sys.modules
        )

    def close(self) -> None:
        transfuse.uninstall()
        for name in set(sys.modules) - self._before:
            if name.partition(".")[0] in {each.partition(".")[0] for each in self.modules}:
                del sys.modules[name]
        for name in [name for name in os.environ if name.startswith("MODEL_")]:
            del os.environ[name]
        sys.path_importer_cache.clear()
        shutil.rmtree(self.root)


def started(
    files: dict[str, str], policy: str = "fresh", modules: tuple[str, ...] = world.MODULES
) -> Process:
    """Return a live application with these files that has imported nothing yet."""
    process = Process(modules)
    process.save(files)
    transfuse.install(roots=[process.root], watch=False, policy=policy)
    return process


def plain(seen: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    again: dict[str, Any] = json.loads(json.dumps(seen))
    return again


def as_far_as(told: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What was seen of modules that a fresh process has: what was loaded before stays loaded."""

    def is_left_over(name: str, key: str, value: Any) -> bool:
        """Whether it is such a module: an attribute of its package, or taken by a star of that."""
        if key in expected[name] or value[0] != "module":
            return False
        return value[1].rpartition(".")[2] == key or value[1] not in expected

    seen: dict[str, Any] = {}
    for name, whole in expected.items():
        value = told.get(name, "absent")
        if isinstance(value, dict) and isinstance(whole, dict):
            value = {k: v for k, v in value.items() if not is_left_over(name, k, v)}
        seen[name] = value
    return seen


def with_order_of(expected: dict[str, Any], told: dict[str, Any], ran: set[str]) -> dict[str, Any]:
    """What was seen, where its registries differ in nothing but when unchanged modules came.

    An edit that takes an import away may change which of two other modules a restart loads first,
    and so the order in which they register. A module that the update does not run keeps its place.
    """

    def is_alike(have: Any, whole: Any) -> bool:
        if not (isinstance(have, list) and isinstance(whole, list)) or have[0] != "list":
            return False
        ours, theirs = literal_eval(have[1]), literal_eval(whole[1])
        both = [[entry for entry in each if entry[0] in ran] for each in (ours, theirs)]
        return sorted(ours) == sorted(theirs) and both[0] == both[1]

    seen: dict[str, Any] = {}
    for name, module in told.items():
        whole = expected.get(name)
        if isinstance(module, dict) and isinstance(whole, dict) and "R" in module and "R" in whole:
            alike = is_alike(module["R"], whole["R"])
            seen[name] = {**module, "R": whole["R"] if alike else module["R"]}
        else:
            seen[name] = module
    return with_turns_of(expected, seen, ran)


def with_turns_of(expected: dict[str, Any], told: dict[str, Any], ran: set[str]) -> dict[str, Any]:
    """The same for the numbers that modules took of a counter, each in its turn."""

    def turns(seen: dict[str, Any], key: str) -> dict[str, str]:
        modules = [(name, each) for name, each in seen.items() if isinstance(each, dict)]
        return {name: each[key][1] for name, each in modules if each.get(key, [0])[0] == "list"}

    keys = {key for each in told.values() if isinstance(each, dict) for key in each}
    seen = dict(told)
    for key in (key for key in keys if key.startswith("T_")):
        ours, theirs = turns(told, key), turns(expected, key)
        both = [
            sorted((each[name], name) for name in each if name in ran) for each in (ours, theirs)
        ]
        orders = [[name for _, name in each] for each in both]
        if sorted(ours.values()) == sorted(theirs.values()) and orders[0] == orders[1]:
            for name in ours.keys() & theirs.keys():
                seen[name] = {**seen[name], key: expected[name][key]}
    return seen


def past_pythons_fault(told: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """What was seen, but where a fresh process meets a fault of Python's own.

    An import below a namespace package whose package has failed raises `KeyError` in place of
    `ModuleNotFoundError` (https://github.com/python/cpython/issues/93334).
    """
    if expected["main"] == "KeyError":
        return expected
    # And a package that has failed is tried again without what it has imported for attributes, so
    # that it fails for that, if it does not load in any case.
    if expected["main"] == "AttributeError" and isinstance(told["main"], str):
        return expected
    return {name: "KeyError" if expected.get(name) == "KeyError" else told[name] for name in told}


Edit = tuple[str, str, str, str]


@pytest.fixture(scope="module", params=["fresh", "overlay"])
def policy(request: pytest.FixtureRequest) -> str:
    """No value is carried under either: each assignment is executed again."""
    chosen: str = request.param
    return chosen


@pytest.mark.slow
@pytest.mark.timeout(0)  # As long as the profile asks for, and each example is small.
@given(
    tree=world.tree(), edits=st.lists(st.lists(world.edit(), min_size=1, max_size=3), max_size=4)
)
def test_p5_any_sequence_of_edits(fresh: Fresh, policy: str, tree: Any, edits: Any) -> None:
    goes_like_a_restart(fresh, policy, tree, edits)


@pytest.mark.slow
@pytest.mark.timeout(0)
@given(world.registries())
def test_p5_any_sequence_of_edits_of_registries(fresh: Fresh, policy: str, story: Any) -> None:
    goes_like_a_restart(fresh, policy, *story)


@pytest.mark.slow
@pytest.mark.timeout(0)
@given(kept_world.stories())
def test_p5_any_sequence_of_edits_of_what_is_kept(fresh: Fresh, policy: str, story: Any) -> None:
    tree, edits = story
    process = started(kept_world.complete(tree), policy, kept_world.MODULES)
    try:
        assert process.see() == fresh.look(process.root, kept_world.MODULES)
        for batch in edits:
            for each in batch:
                tree = kept_world.apply(tree, each)
            process.save(kept_world.complete(tree))
            note(f"edits: {batch}")
            report = transfuse.update()
            note(f"{report}")
            expected = fresh.look(process.root, kept_world.MODULES)
            assert report.outcome != "refused", report.traceback
            assert as_far_as(process.see(), expected) == expected
    finally:
        process.close()


def goes_like_a_restart(
    fresh: Fresh, policy: str, tree: dict[str, str], edits: list[list[Edit]]
) -> None:
    """Assert that each update results in what a fresh process imports."""
    process = started(tree, policy)
    try:
        told = process.see()
        expected = fresh.look(process.root)
        assert past_pythons_fault(told, expected) == expected
        for batch in edits:
            if not process.is_comparable(told):
                process.close()
                process = started(tree, policy)
            for each in batch:
                tree = world.apply(tree, each)
            process.save(tree)
            note(f"tree: {tree}")
            report = transfuse.update()
            note(f"{report}")
            expected = fresh.look(process.root)
            told = process.see()
            if report.outcome == "refused":
                # Fair if a fresh process fails, too, or does not load what failed.
                where = re.findall(r'File "(.*?)"', report.traceback)[-1]
                loaded = {file for name in expected for file in world.files_of(name)}
                broken = isinstance(expected["main"], str)
                assert broken or str(Path(where).relative_to(process.root)) not in loaded, report
                continue
            told = with_order_of(expected, told, {each.name for each in report.ran})
            assert as_far_as(past_pythons_fault(told, expected), expected) == expected
    finally:
        process.close()
