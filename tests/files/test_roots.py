"""Which folders are live, and what happens when one of them moves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import transfuse
from conftest import LiveTree, ran

if TYPE_CHECKING:
    from collections.abc import Callable

    from transfuse.updates.reports import Report


def published(report: Report) -> bool:
    return report.outcome == "published"


def flip(link: Path, target: str) -> None:
    """Have `link` lead to `target`, at one instant."""
    new = link.with_name("..new")
    new.symlink_to(target)
    os.replace(new, link)


@pytest.fixture(params=[None, 0.02], ids=["native", "polling"])
def poll(request: pytest.FixtureRequest) -> float | None:
    """A test that holds with either watcher."""
    chosen: float | None = request.param
    return chosen


def test_each_of_several_roots_is_live(tree: LiveTree, tmp_path: Path) -> None:
    other = LiveTree(tmp_path / "lib")
    other.write({"prices.py": "TEA = 3\n"})
    tree.write({"web.py": "from prices import TEA\n"})
    transfuse.install(roots=[tree.root, other.root], watch=False)
    assert tree.module("web").TEA == 3
    assert ran(other.published({"prices.py": "TEA = 4\n"})) == ["prices", "web"]
    assert tree.module("web").TEA == 4


def test_a_root_inside_another_names_its_own_modules(tree: LiveTree) -> None:
    tree.write({"src/prices.py": "TEA = 3\n", "web.py": "from prices import TEA\n"})
    transfuse.install(roots=[tree.root, tree.root / "src"], watch=False)
    assert tree.module("web").TEA == 3
    assert ran(tree.published({"src/prices.py": "TEA = 4\n"})) == ["prices", "web"]
    tree.delete("src/prices.py")
    assert not transfuse.update().ok
    tree.published({"web.py": "", "src/tea.py": "TEA = 5\n"})
    assert tree.module("tea").TEA == 5


def test_a_root_behind_two_links_follows_either(tree: LiveTree, poll: float | None) -> None:
    releases = LiveTree(tree.root.parent / "releases")
    for number in range(3):
        releases.write({f"{number}/app/prices.py": f"TEA = {number}\n"})
    stable = releases.root / "stable"
    stable.symlink_to("0")
    tree.root.rmdir()
    tree.root.symlink_to("releases/stable/app")
    tree.install(watch=True, poll=poll)
    assert tree.module("prices").TEA == 0
    flip(stable, "1")
    tree.wait(lambda report: published(report) and ran(report) == ["prices"])
    assert tree.module("prices").TEA == 1
    seen = len(tree.reports)
    flip(tree.root, "releases/2/app")
    tree.wait(published, after=seen)
    assert tree.module("prices").TEA == 2
    seen = len(tree.reports)
    releases.write({"2/app/prices.py": "TEA = 3\n"})
    tree.wait(published, after=seen)
    assert tree.module("prices").TEA == 3


def test_a_volume_of_kubernetes_is_one_update(tree: LiveTree, poll: float | None) -> None:
    for number in range(4):
        who = f"WHO = {number}\n"
        tree.write({f"..{number}/first.py": who, f"..{number}/pack/second.py": who})
    data = tree.root / "..data"
    data.symlink_to("..0")
    (tree.root / "first.py").symlink_to("..data/first.py")
    (tree.root / "pack").symlink_to("..data/pack")
    tree.install(watch=True, poll=poll)
    assert (tree.module("first").WHO, tree.module("pack.second").WHO) == (0, 0)
    for number in range(1, 4):
        seen = len(tree.reports)
        flip(data, f"..{number}")
        shutil.rmtree(tree.root / f"..{number - 1}")
        report = tree.wait(published, after=seen)
        assert sorted(ran(report)) == ["first", "pack.second"]
        assert (tree.module("first").WHO, tree.module("pack.second").WHO) == (number, number)
    assert len(tree.reports) == 3


def test_what_a_link_leads_to_is_edited_in_its_own_place(
    tree: LiveTree, poll: float | None
) -> None:
    shared = LiveTree(tree.root.parent / "shared")
    shared.write({"prices.py": "TEA = 3\n", "rates.txt": "3"})
    (tree.root / "prices.py").symlink_to(shared.root / "prices.py")
    tree.install(watch=True, poll=poll)
    assert tree.module("prices").TEA == 3
    for number in range(4, 7):
        seen = len(tree.reports)
        shared.write({"prices.py": f"TEA = {number}\n"})
        tree.wait(published, after=seen)
        assert tree.module("prices").TEA == number


@pytest.mark.parametrize("inside", ["", "src"])
def test_a_root_that_is_replaced_by_mv(tree: LiveTree, inside: str, poll: float | None) -> None:
    def release(number: int) -> dict[str, str]:
        who = f"WHO = {number}\n"
        return {os.path.join(inside, name): who for name in ("first.py", "pack/second.py")}

    tree.write(release(0))
    live = LiveTree(tree.root / inside)
    live.install(watch=True, poll=poll)
    assert (live.module("first").WHO, live.module("pack.second").WHO) == (0, 0)
    for number in (1, 2):
        new = LiveTree(tree.root.with_name("app.new"))
        new.write(release(number))
        seen = len(live.reports)
        tree.root.rename(tree.root.with_name(f"app.{number}"))
        new.root.rename(tree.root)
        live.wait(published, after=seen)
        assert (live.module("first").WHO, live.module("pack.second").WHO) == (number, number)
        shutil.rmtree(tree.root.with_name(f"app.{number}"))
        # Watching goes on, at the top and below.
        seen = len(live.reports)
        live.write({"pack/second.py": f"WHO = {number}0\n"})
        live.wait(lambda report: published(report) and ran(report) == ["pack.second"], after=seen)
        assert live.module("pack.second").WHO == number * 10
    live.unsubscribe()


def test_a_root_that_goes_and_comes_back_later(tree: LiveTree, poll: float | None) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(watch=True, poll=poll)
    prices = tree.module("prices")
    away = tree.root.with_name("away")
    tree.root.rename(away)
    report = tree.wait(lambda report: not report.ok)
    assert str(tree.root) in str(report.error)
    assert prices is tree.module("prices")
    away.joinpath("prices.py").write_text("TEA = 4\n")
    away.rename(tree.root)
    tree.wait(published)
    assert tree.module("prices").TEA == 4


def test_a_package_that_is_replaced_by_mv(tree: LiveTree, poll: float | None) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 0\n"})
    tree.install(watch=True, poll=poll)
    assert tree.module("shop.prices").TEA == 0
    shop = tree.root / "shop"
    for number in (1, 2):
        new = LiveTree(tree.root.parent / "new")
        new.write({"__init__.py": "", "prices.py": f"TEA = {number}\n"})
        seen = len(tree.reports)
        old = tree.root.parent / f"old{number}"
        shop.rename(old)
        new.root.rename(shop)
        shutil.rmtree(old)
        tree.wait(lambda report: published(report) and "shop.prices" in ran(report), after=seen)
        assert tree.module("shop.prices").TEA == number
        seen = len(tree.reports)
        tree.write({"shop/prices.py": f"TEA = {number}0\n"})
        tree.wait(lambda report: published(report) and "shop.prices" in ran(report), after=seen)
        assert tree.module("shop.prices").TEA == number * 10


@pytest.fixture
def linked(tree: LiveTree, tmp_path: Path) -> LiveTree:
    """`shop` is a link to a package that lies outside of the root, four folders down."""
    releases = LiveTree(tmp_path / "a" / "b" / "releases")
    releases.write({"42/shop/__init__.py": "WHO = 42\n", "43/shop/__init__.py": "WHO = 43\n"})
    (tree.root / "shop").symlink_to(releases.root / "42" / "shop")
    tree.write({"main.py": "try:\n    from shop import WHO\nexcept ImportError:\n    WHO = None\n"})
    return tree


def nowhere(link: Path) -> None:
    flip(link, "nowhere")


def replaced_by_a_file(link: Path) -> None:
    link.with_name("notes").write_text("no package")
    link.with_name("notes").rename(link)


def replaced_by_a_module(link: Path) -> None:
    link.unlink()
    link.with_suffix(".py").write_text("WHO = 'module'\n")


LINKS = [
    pytest.param(Path.unlink, None, id="removed"),
    pytest.param(nowhere, None, id="nowhere"),
    pytest.param(replaced_by_a_file, None, id="file"),
    pytest.param(replaced_by_a_module, "module", id="module"),
]


@pytest.mark.parametrize(("change", "now"), LINKS)
def test_p6_a_link_to_a_package_goes(
    linked: LiveTree, change: Callable[[Path], None], now: str | None
) -> None:
    linked.install()
    assert linked.module("main").WHO == 42
    linked.update()
    change(linked.root / "shop")
    linked.published()
    assert linked.module("main").WHO == now


@pytest.mark.parametrize(("change", "now"), LINKS)
def test_p6_a_link_to_a_package_goes_and_the_watcher_tells(
    linked: LiveTree, change: Callable[[Path], None], now: str | None, poll: float | None
) -> None:
    linked.install(watch=True, poll=poll)
    assert linked.module("main").WHO == 42
    linked.update()
    change(linked.root / "shop")
    linked.wait(lambda _: linked.module("main").WHO == now)


def test_p5_what_a_link_leads_to_is_called_otherwise(linked: LiveTree, poll: float | None) -> None:
    linked.install(watch=True, poll=poll)
    assert linked.module("main").WHO == 42
    linked.update()
    release = (linked.root / "shop").readlink().parent
    release.rename(release.with_name("old"))
    linked.wait(lambda _: linked.module("main").WHO is None)


@pytest.mark.parametrize("above", [1, 2, 3], ids=["releases", "b", "a"])
def test_p5_who_asks_for_an_update_finds_what_no_watcher_tells(
    linked: LiveTree, above: int
) -> None:
    """A folder far above what a link leads to is renamed, and later another takes its place."""
    linked.install()
    assert linked.module("main").WHO == 42
    linked.update()
    target = (linked.root / "shop").readlink()
    folder = target.parents[above]
    away = folder.with_name("away")
    folder.rename(away)
    linked.published()
    assert linked.module("main").WHO is None
    away.rename(folder)
    linked.published()
    assert linked.module("main").WHO == 42
    folder.rename(away)
    target.mkdir(parents=True)
    (target / "__init__.py").write_text("WHO = 'another'\n")
    linked.published()
    assert linked.module("main").WHO == "another"
    assert linked.update().outcome == "unchanged"
    # Changes in that folder are reported as before.
    (target / "__init__.py").write_text("WHO = 'edited'\n")
    linked.published()
    assert linked.module("main").WHO == "edited"


def test_p5_who_asks_for_an_update_finds_a_root_that_was_moved_far_above(tree: LiveTree) -> None:
    live = LiveTree(tree.root / "a" / "b" / "live")
    live.write({"main.py": "WHO = 1\n"})
    live.install()
    assert live.module("main").WHO == 1
    live.update()
    (tree.root / "a").rename(tree.root / "away")
    live.write({"main.py": "WHO = 2\n"})
    live.published()
    assert live.module("main").WHO == 2
    live.unsubscribe()
