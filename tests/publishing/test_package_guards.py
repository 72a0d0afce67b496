"""A package guards all that is below it, whatever it has made of itself and however one comes."""

from __future__ import annotations

import base64

import pytest

import publishing_site
import transfuse
from publishing_site import Site

site = publishing_site.site

PAGE = "def show(): return 'in'"
IN = {"Authorization": "Basic " + base64.b64encode(b"eric:x").decode()}

REPLACED = {
    "its class": """
        import sys, types
        class Lazy(types.ModuleType): pass
        sys.modules[__name__].__class__ = Lazy
        __access__ = False
        """,
    "its class, which guards": """
        import sys, types
        class Lazy(types.ModuleType): __access__ = False
        sys.modules[__name__].__class__ = Lazy
        """,
    "itself by another module": """
        import sys, types
        class Lazy(types.ModuleType): pass
        new = Lazy(__name__)
        new.__dict__.update(globals())
        new.__access__ = False
        sys.modules[__name__] = new
        """,
    "itself by a plain module": """
        import sys, types
        new = types.ModuleType(__name__)
        new.__path__, new.__access__ = __path__, False
        sys.modules[__name__] = new
        """,
}


@pytest.mark.parametrize("what", REPLACED)
def test_a_package_that_has_replaced_something_still_guards(site: Site, what: str) -> None:
    site.publish({"shop/__init__.py": REPLACED[what], "shop/page.py": PAGE})
    assert [403, 403] == [site.get("/shop/page/show").status for _ in range(2)]


def test_where_another_object_stands_for_a_package_nobody_passes(site: Site) -> None:
    site.publish({
        "shop/__init__.py": """
            import sys
            class Lazy:
                __access__ = True
                __path__ = __path__
            sys.modules[__name__] = Lazy()
            """,
        "shop/page.py": PAGE,
    })  # fmt: skip
    assert [500, 500] == [site.get("/shop/page/show").status for _ in range(2)]


def test_where_a_package_is_not_live_nobody_passes(site: Site) -> None:
    site.tree.write({"shop/__init__.py": "__access__ = True", "shop/page.py": PAGE})
    site.tree.install(exclude=["shop/__init__.py"])
    site.application = transfuse.publisher(site.tree.root, debug=True)
    reply = site.get("/shop/page/show")
    assert reply.status == 404
    assert "is not live" in reply.text


def test_a_package_whose_file_is_missing_for_a_moment_guards_from_the_first_visit_on(
    site: Site,
) -> None:
    ran = "import builtins\nbuiltins.page_that_ran = True\n"
    site.publish({
        "shop/__init__.py": "__access__ = False", "shop/prices.py": "", "shop/page.py": ran + PAGE,
    })  # fmt: skip
    transfuse.import_module("shop.prices")
    (site.tree.root / "shop" / "__init__.py").rename(site.tree.root / "shop" / "moved")
    assert site.get("/shop/page/show").status == 403
    (site.tree.root / "shop" / "moved").rename(site.tree.root / "shop" / "__init__.py")
    assert site.get("/shop/page/show").status == 403


def test_a_package_above_the_folder_guards_too(site: Site) -> None:
    site.tree.write({
        "app/__init__.py": "__access__ = False", "app/site/__init__.py": "",
        "app/site/page.py": PAGE,
    })  # fmt: skip
    site.tree.install()
    site.application = transfuse.publisher(site.tree.root / "app" / "site")
    assert site.get("/page/show").status == 403


def test_a_package_is_asked_before_anything_below_it_is_looked_for_or_run(site: Site) -> None:
    site.publish({
        "shop/__init__.py": "__auth__ = {'eric': 'x'}",
        "shop/page.py": f"import lib\nlib.ran.append(1)\n{PAGE}",
        "shop/broken.py": "1 / 0",
        "shop/deep/__init__.py": "import lib\nlib.ran.append(2)\n1 / 0",
        "shop/deep/page.py": PAGE,
        "lib.py": "ran = []\ndef told(): return str(ran)",
    })  # fmt: skip
    paths = ["/shop", "/shop/", "/shop/page/show", "/shop/page.py/show", "/shop/broken",
             "/shop/nothing", "/shop/deep/page/show", "/shop/no/where"]  # fmt: skip
    for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
        assert [401] * 8 == [site.get(path, method=method).status for path in paths]
    assert site.get("/lib/told").text == "[]"
    assert [404, 404, 200, 200, 500, 404, 500, 404] == [
        site.get(path, headers=IN).status for path in paths
    ]


def test_a_package_is_asked_once(site: Site) -> None:
    asked = "asked = []\ndef __access__(request, user):\n    asked.append(1)\n    return True\n"
    site.publish({
        "shop/__init__.py": asked,
        "shop/page.py": "import shop\ndef show(): return str(len(shop.asked))",
    })  # fmt: skip
    assert ["1", "2"] == [site.get("/shop/page/show").text for _ in range(2)]


def test_a_link_is_no_way_around_a_package(site: Site) -> None:
    site.tree.write({"shop/__init__.py": "__access__ = False", "shop/deep/page.py": PAGE})
    links = {"single.py": "shop/deep/page.py", "folder": "shop/deep", "twice": "folder"}
    for name, target in links.items():
        (site.tree.root / name).symlink_to(target)
    site.publish({})
    for path in ("/single/show", "/folder/page/show", "/twice/page/show", "/shop/deep/page/show"):
        assert [403, 403] == [site.get(path).status for _ in range(2)]


def test_a_page_that_has_replaced_itself_is_not_published(site: Site) -> None:
    site.publish({"page.py": REPLACED["its class"].replace("__access__ = False", PAGE)})
    assert site.get("/page/show").status == 404
