"""No attempt to get past a guard succeeds: a corpus of attempts, each by both protocols."""

from __future__ import annotations

import pytest

import attempts
import publishing_site
from publishing_site import Site

site = publishing_site.site


@pytest.fixture
def traps(site: Site) -> Site:
    above = site.tree.root.parent
    for name, text in attempts.OUTSIDE.items():
        path = above / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, target in attempts.LINKS.items():
        (site.tree.root / name).symlink_to(target)
    site.publish(attempts.SITE)
    return site


def test_the_doors_beside_the_traps_open(traps: Site) -> None:
    found = {path: traps.get(path) for path in attempts.REACHED}

    assert {path: (200, text) for path, text in attempts.REACHED.items()} == {
        path: (reply.status, reply.text) for path, reply in found.items()
    }


@pytest.mark.parametrize("what", attempts.ATTEMPTS)
def test_every_attempt_is_a_404_that_says_nothing(traps: Site, what: str) -> None:
    paths = attempts.ATTEMPTS[what]
    first = traps.get("/nothing/of/this/name")
    # Asked twice: what the first has loaded must not open anything to the second.
    found = [(path, traps.get(path)) for path in paths * 2]

    assert [] == [(path, reply.status) for path, reply in found if reply.status != 404]
    assert {first.body} == {reply.body for _, reply in found}


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "BREW"])
def test_another_method_opens_nothing(traps: Site, method: str) -> None:
    paths = ["/page/imported", "/page/show/__code__", "/../secret/show", "/linked/show"]
    assert [404] * 4 == [traps.get(path, method=method).status for path in paths]


def test_a_link_that_takes_the_place_of_a_loaded_page_opens_nothing(traps: Site) -> None:
    assert traps.get("/shop/prices/show").status == 200
    for name, target in (("shop/prices.py", "../../secret.py"), ("lib.py", "../secret.py")):
        (traps.tree.root / name).unlink()
        (traps.tree.root / name).symlink_to(target)
    assert [404] * 3 == [
        traps.get(path).status for path in ("/shop/prices/show", "/lib/shelf/show", "/inside/show")
    ]


def test_a_folder_whose_place_is_taken_by_a_link_opens_nothing(traps: Site) -> None:
    assert traps.get("/shop/prices/show").status == 200
    moved = traps.tree.root.parent / "moved"
    (traps.tree.root / "shop").rename(moved)
    (traps.tree.root / "shop").symlink_to(moved)
    assert traps.get("/shop/prices/show").status == 404
