"""A re-pointed link is no way around the guards of the content that is still served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import publishing_site
import transfuse
from publishing_site import Site
from transfuse.publishing import pages

if TYPE_CHECKING:
    from transfuse.publishing.pages import Page

site = publishing_site.site

SECRET, OPEN = "def show(): return 'secret'", "def show(): return 'open'"
SITE = {
    "staff/__init__.py": "def __access__(request, user): return 'x-in' in request.headers",
    "staff/page.py": SECRET,
    "staff/deep/page.py": SECRET,
    "public/page.py": OPEN,
    "public/deep/page.py": OPEN,
}
# A link to a file, and one to a folder: where it stands, the page behind it, its two targets.
LINKS = {
    "file": ("links/page.py", "links/page.py", "../staff/page.py", "../public/page.py"),
    "folder": ("links", "links/page.py", "staff/deep", "public/deep"),
}
IN = {"X-In": "yes"}
PATH = "/links/page/show"


def point(site: Site, name: str, target: str) -> None:
    link = site.tree.root / name
    link.parent.mkdir(exist_ok=True)
    (site.tree.root / "new").symlink_to(target)
    (site.tree.root / "new").rename(link)


@pytest.mark.parametrize("kind", LINKS)
def test_until_the_update_both_places_are_asked(site: Site, kind: str) -> None:
    name, _, staff, public = LINKS[kind]
    site.tree.write(SITE)
    point(site, name, staff)
    site.publish({})
    assert (403, "secret") == (site.get(PATH).status, site.get(PATH, headers=IN).text)
    point(site, name, public)
    assert (403, "secret") == (site.get(PATH).status, site.get(PATH, headers=IN).text)
    site.tree.published()
    assert site.get(PATH).text == "open"
    point(site, name, staff)
    assert (403, "open") == (site.get(PATH).status, site.get(PATH, headers=IN).text)
    site.tree.published()
    assert (403, "secret") == (site.get(PATH).status, site.get(PATH, headers=IN).text)


@pytest.mark.parametrize("kind", LINKS)
def test_who_has_replaced_a_link_by_a_file_is_not_around_it(site: Site, kind: str) -> None:
    name, page, staff, _ = LINKS[kind]
    site.tree.write(SITE)
    point(site, name, staff)
    site.publish({})
    assert site.get(PATH, headers=IN).text == "secret"
    (site.tree.root / name).unlink()
    site.tree.write({page: OPEN})
    assert (403, "secret") == (site.get(PATH).status, site.get(PATH, headers=IN).text)
    site.tree.published()
    assert site.get(PATH).text == "open"


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_leads_to_the_same_content_elsewhere_is_guarded_there(
    site: Site, kind: str
) -> None:
    name, _, staff, public = LINKS[kind]
    site.tree.write({**SITE, "public/page.py": SECRET, "public/deep/page.py": SECRET})
    point(site, name, staff)
    site.publish({})
    assert site.get(PATH).status == 403
    assert site.get(PATH, headers=IN).text == "secret"
    point(site, name, public)
    assert site.get(PATH).text == "secret"


@pytest.mark.parametrize("kind", LINKS)
def test_what_somebody_else_has_loaded_before_a_link_was_changed_is_a_404(
    site: Site, kind: str
) -> None:
    name, page, staff, public = LINKS[kind]
    site.tree.write(SITE)
    point(site, name, staff)
    site.publish({})
    transfuse.import_module(site.tree.root / page)
    point(site, name, public)
    assert [404, 404] == [site.get(PATH, headers=sent).status for sent in ({}, IN)]
    site.tree.published()
    assert site.get(PATH).text == "open"


@pytest.mark.parametrize("kind", LINKS)
def test_a_link_that_changes_while_its_page_is_loaded_is_a_404(
    site: Site, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, _, staff, public = LINKS[kind]
    site.tree.write({**SITE, "public/page.py": SECRET, "public/deep/page.py": SECRET})
    point(site, name, public)
    site.publish({})
    load = pages.Pages.load

    def while_it_changes(self: pages.Pages, file: str) -> Page | None:
        found = load(self, file)
        point(site, name, staff)
        return found

    monkeypatch.setattr(pages.Pages, "load", while_it_changes)
    assert site.get(PATH).status == 404


def test_a_page_without_links_that_is_edited_before_anybody_asks_is_the_former_one(
    site: Site,
) -> None:
    site.publish({"page.py": "def show(): return 1"})
    site.tree.module("page")
    site.tree.write({"page.py": "def show(: return 2"})
    assert site.get("/page/show").text == "1"
