"""P16: after any sequence of saves, rollbacks and crashes, what is served is what a model says."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING

import pytest

import transfuse
from transfuse.config.settings import Settings, read_settings
from transfuse.errors import GenerationError
from transfuse.last_served import keeper
from transfuse.last_served.resumed import IN_PLACE, Place
from transfuse.process.install import install_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from conftest import LiveTree

NAMES = [f"part{number}" for number in range(5)]
STEPS, SEEDS = 60, 6
BROKEN = "1 / 0\n"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    keeper.end()


class Model:
    """What must be served, and what stays back; by the names of modules, None: there is no file."""

    def __init__(self, tree: LiveTree, seed: int) -> None:
        self.tree = tree
        self.random = random.Random(seed)
        self.count = 0
        self.disk: dict[str, str | None] = {}
        self.served: dict[str, str | None] = {}
        self.aside: dict[str, str | None] = {}
        # Content that was refused, with all that was saved beside it.
        self.refused: dict[str, str | None] = {}
        self.told: list[str] = []
        for name in NAMES:
            self.save(name, self.new())
        self.served = dict(self.disk)

    def new(self) -> str:
        """Content that no file ever had."""
        self.count += 1
        return f"VALUE = {self.count}\n"

    def save(self, name: str, text: str | None) -> None:
        self.disk[name] = text
        if text is None:
            (self.tree.root / f"{name}.py").unlink(missing_ok=True)
        else:
            self.tree.write({f"{name}.py": text})

    @property
    def differing(self) -> dict[str, str | None]:
        return {each: text for each, text in self.disk.items() if text != self.served[each]}

    def settings(self) -> Settings:
        root = str(self.tree.root)
        return read_settings(start=self.tree.root, roots=[root], watch=False)

    # The steps.

    def edit(self) -> None:
        name = self.random.choice(NAMES)
        kinds = [BROKEN, self.served[name], None, *(self.new() for _ in range(SEEDS))]
        self.save(name, self.random.choice(kinds))
        self.update()

    def update(self) -> None:
        """All that differs is served, but for what is set aside; or nothing is."""
        self.forget()
        wanted = {**self.disk, **{name: self.served[name] for name in self.aside}}
        outcome = transfuse.update().outcome
        self.told.append(f"  {outcome}")
        if self.fails(wanted):
            assert outcome in ("refused", "unchanged"), self.told
            self.refused = {
                name: wanted[name] for name in NAMES if wanted[name] != self.served[name]
            }
        else:
            assert outcome in ("published", "unchanged"), self.told
            self.served, self.refused = wanted, {}

    def fails(self, wanted: Mapping[str, str | None]) -> bool:
        """Does a loaded module fail? One that is not loaded fails when it is imported."""
        loaded = [name for name in NAMES if self.served[name] not in (None, BROKEN)]
        return any(wanted[name] == BROKEN for name in loaded)

    def forget(self) -> None:
        self.aside = {
            name: text
            for name, text in self.aside.items()
            if self.disk[name] == text != self.served[name]
        }

    def accept(self) -> None:
        before, self.aside = self.aside, {}
        wanted = dict(self.disk)
        outcome = transfuse.accept().outcome
        self.told.append(f"  {outcome}")
        if self.fails(wanted):
            self.refused = {
                name: wanted[name] for name in NAMES if wanted[name] != self.served[name]
            }
            self.aside = before
        else:
            self.served, self.refused = wanted, {}

    def rollback(self) -> None:
        """Where it goes is another test's; what it leaves stays back."""
        try:
            outcome = transfuse.rollback().outcome
        except GenerationError as error:
            self.told.append(f"  {error}")
            return
        assert outcome == "rolled back", self.told
        self.served = self.shown()
        self.aside, self.refused = self.differing, {}

    def restart(self) -> None:
        assert keeper.wait_until_kept()
        keeper.end()
        for name in self.random.sample(NAMES, self.random.randrange(3)):
            self.save(name, self.random.choice([self.new(), self.served[name], None]))
        take = self.random.choice(["default", "default", "default", "disk", "last", IN_PLACE])
        if take == "disk" and BROKEN in self.disk.values():
            take = "default"
        self.told.append(f"  {take} {self.disk}")
        if take == "disk":
            self.served, self.aside, self.refused = dict(self.disk), {}, {}
        elif take == "last":
            self.aside, self.refused = self.differing, {}
        else:
            self.resume(take)
        transfuse.uninstall()
        for name in NAMES:
            sys.modules.pop(name, None)
        install_settings(self.settings(), place=Place("test", take))
        keeper.begin(self.settings(), Place("test"))

    def resume(self, take: str) -> None:
        differing = self.differing
        self.aside = {
            name: text
            for name, text in differing.items()
            if name in self.aside and self.aside[name] == text
        }
        rest = {name: text for name, text in differing.items() if name not in self.aside}
        if take == "default":
            kept = {
                name: text
                for name, text in rest.items()
                if name in self.refused and self.refused[name] == text
            }
            for name in rest.keys() - kept.keys():
                self.served[name] = self.disk[name]
            rest = kept
        self.refused = rest

    # What is so.

    def shown(self) -> dict[str, str | None]:
        """What is served, as source."""
        found: dict[str, str | None] = {}
        for name in NAMES:
            try:
                found[name] = f"VALUE = {self.tree.module(name).VALUE}\n"
            except ModuleNotFoundError:
                found[name] = None
            except ZeroDivisionError:
                found[name] = BROKEN
        return found

    def check(self) -> None:
        shown = self.shown()
        for name in [name for name in self.refused if self.served[name] is None]:
            # A new file may be imported before an update has taken it.
            if shown[name] == self.disk[name]:
                self.served[name] = self.refused.pop(name)
        assert shown == self.served, "\n".join(self.told)
        aside = tuple(sorted(str(self.tree.root / f"{name}.py") for name in self.aside))
        assert transfuse.status().set_aside == aside, "\n".join(self.told)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_p16_what_is_served_after_crashes_is_what_a_model_says(
    tree: LiveTree, state: None, seed: int
) -> None:
    assert state is None
    model = Model(tree, seed)
    install_settings(model.settings(), place=Place("test"))
    keeper.begin(model.settings(), Place("test"))
    model.check()
    steps = [model.edit] * 4 + [model.rollback] * 2 + [model.accept, model.restart, model.restart]
    for _ in range(STEPS):
        step = model.random.choice(steps)
        model.told.append(step.__name__)
        step()
        model.check()
