"""Each registry is what a fresh process would have, and the one in use was never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import LiveTree, ran
from registries import fresh, look, snapshot
from registry_kinds import KINDS
from registry_packages import PACKAGES
from support.threads import Worker

if TYPE_CHECKING:
    from registries import Registry

BEFORE = {"one": 1, "two": 2}
EDITS: dict[str, dict[str, int]] = {
    "edited": {"one": 10, "two": 2},
    "added": {"one": 1, "two": 2, "three": 3},
    "deleted": {"two": 2},
}


@pytest.fixture(params=[*KINDS, *PACKAGES])
def kind(request: pytest.FixtureRequest) -> Registry:
    return {**KINDS, **PACKAGES}[request.param]


class Watch:
    """A unit of work of the old generation. It reads the registry when the code asks for it."""

    def __init__(self, tree: LiveTree, kind: Registry) -> None:
        self.tree = tree
        self.modules = [
            tree.module(name) for name in (*kind.names().split(", "), "first", "second")
        ]
        self.said = look(tree)
        self.objects = snapshot(*self.modules)
        self.looks = 0
        self.torn: list[Any] = []

    def untouched(self) -> bool:
        return self.objects == snapshot(*self.modules)

    def look(self) -> None:
        """Called by the code that is being staged."""
        self.looks += 1
        if not self.untouched():
            self.torn.append("objects")
        seen = Worker(lambda: look(self.tree)).result()  # a thread that runs no live code
        if seen != self.said:
            self.torn.append(seen)


def begin(tree: LiveTree, kind: Registry, policy: str, outside: Any) -> Watch:
    outside.look = lambda: None
    tree.write(kind.files(BEFORE))
    tree.install(policy=policy)
    tree.module("app")
    tree.module("bystander")
    assert look(tree) == fresh(tree)
    watch = Watch(tree, kind)
    outside.look = watch.look
    return watch


def bystanders(tree: LiveTree) -> list[int]:
    return [id(tree.module(name)) for name in ("helpers", "bystander")]


@pytest.mark.parametrize("edit", [*EDITS, "renamed", "gone"])
def test_p5_registry_after_an_edit(
    tree: LiveTree, kind: Registry, policy: str, edit: str, outside: Any
) -> None:
    watch = begin(tree, kind, policy, outside)
    aside = bystanders(tree)
    if edit == "renamed":
        (tree.root / "first.py").rename(tree.root / "moved.py")
        files = {"app.py": kind.application(("moved", "second"))}
    elif edit == "gone":
        tree.delete("first.py")
        files = {"app.py": kind.application(("second",))}
    else:
        files = {"first.py": kind.source(EDITS[edit])}
    with transfuse.pin():
        report = tree.published(files)
        assert watch.looks > 0
        assert watch.torn == []
        assert watch.untouched()
        assert look(tree) == watch.said
    assert look(tree) == fresh(tree)
    assert edit == "renamed" or look(tree) != watch.said
    assert aside == bystanders(tree)
    assert {"helpers", "bystander"}.isdisjoint(ran(report))


def test_p4_registry_after_a_refused_update(
    tree: LiveTree, kind: Registry, policy: str, outside: Any
) -> None:
    watch = begin(tree, kind, policy, outside)
    report = tree.update(
        {"first.py": kind.source(EDITS["added"]), "app.py": kind.application() + "1/0\n"}
    )
    assert report.outcome == "refused"
    assert watch.looks > 0
    assert watch.torn == []
    assert watch.untouched()
    assert look(tree) == watch.said
    # The repair is an update like any other.
    tree.published({"app.py": kind.application()})
    assert look(tree) == fresh(tree)
    assert watch.untouched()


def test_who_does_not_run_keeps_its_place_in_a_registry(tree: LiveTree) -> None:
    """A restart would load `beta` after `three` now; what is registered is the same."""
    note = "import deep\ndeep.R.append(__name__)\n"
    tree.write(
        {
            "main.py": "import two, three, beta\n",
            "deep.py": "R = []\n",
            "two.py": "import beta\n",
            "three.py": note,
            "beta.py": note,
        }
    )
    tree.install()
    tree.module("main")
    assert ran(tree.published({"two.py": "V = 1\n"})) == ["two", "main"]
    assert tree.module("deep").R == ["beta", "three"]
    # The modules run in the order of a restart.
    tree.published({"deep.py": "R = []\nV = 1\n"})
    assert tree.module("deep").R == ["three", "beta"]
