"""A page is what its current source says, and a request sees one version of it."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import publishing_site
import transfuse
from conftest import CAP
from publishing_site import Site
from support.threads import Worker, wait
from visitor import ask_asgi, ask_wsgi

if TYPE_CHECKING:
    from conftest import LiveTree

site = publishing_site.site


@pytest.mark.parametrize("policy", ["overlay", "fresh", "patch"])
def test_p6_a_deleted_function_is_gone_at_the_next_request(site: Site, policy: str) -> None:
    head = f"__reload__ = {policy!r}\n"
    site.publish({
        "index.py": head + "def old(): return 'old'\nclass C:\n def m(self): return 'm'\nc = C()\n"
    })  # fmt: skip
    assert ["old", "m"] == [site.get(path).text for path in ("/old", "/c/m")]
    site.tree.published({
        "index.py": head + "def new(): return 'new'\nclass C:\n def n(self): return 'n'\nc = C()\n"
    })  # fmt: skip
    assert [404, 404] == [site.get(path).status for path in ("/old", "/c/m")]
    assert ["new", "n"] == [site.get(path).text for path in ("/new", "/c/n")]


def test_p6_what_the_source_no_longer_defines_is_gone_though_the_namespace_keeps_it(
    site: Site,
) -> None:
    site.tree.write({"index.py": "def old(): return 'old'\ndef kept(): return 'kept'"})
    site.tree.install(keep_deleted=True)
    site.application = transfuse.publisher(site.tree.root)
    assert site.get("/old").status == 200
    site.tree.published({"index.py": "def kept(): return 'kept'"})
    assert hasattr(site.tree.module("index"), "old")
    assert (404, 200) == (site.get("/old").status, site.get("/kept").status)


def test_p6_an_object_of_a_class_that_is_no_more_is_not_walked_into(site: Site) -> None:
    source = (
        "__preserve__ = ['shelf']\nclass Shelf:\n    def {0}(self): return '{0}'\nshelf = Shelf()\n"
    )
    site.publish({"index.py": source.format("old")})
    assert site.get("/shelf/old").status == 200
    site.tree.published({"index.py": source.format("new")})
    assert [404, 404] == [site.get(f"/shelf/{name}").status for name in ("old", "new")]


def test_p6_a_deleted_file_is_gone_and_comes_back(site: Site) -> None:
    site.publish({"page.py": "def show(): return 1", "index.py": "def page(): return 'index'"})
    assert site.get("/page/show").status == 200
    site.tree.delete("page.py")
    # Until the update it is what the generation has.
    assert site.get("/page/show").text == "1"
    site.tree.published()
    assert (404, "index") == (site.get("/page/show").status, site.get("/page").text)
    site.tree.published({"page.py": "def show(): return 2"})
    assert site.get("/page/show").text == "2"


def test_a_new_file_and_a_new_function_are_there_after_the_update(site: Site) -> None:
    site.publish({"index.py": "def index(): return 1"})
    assert [404, 404] == [site.get(path).status for path in ("/later", "/new/show")]
    site.tree.published(
        {"index.py": "def later(): return 2", "new/show.py": "def index(): return 3"}
    )
    assert ["2", "3"] == [site.get(path).text for path in ("/later", "/new/show")]


def test_p4_a_page_that_does_not_load_is_the_former_one(site: Site) -> None:
    site.publish({"index.py": "def index(): return 1"})
    assert site.get("/").text == "1"
    assert site.tree.update({"index.py": "def index(: return 2"}).outcome == "refused"
    assert site.get("/").text == "1"


def test_two_files_of_one_name_are_two_pages_and_both_are_updated(site: Site) -> None:
    names = ("index.py", "a/index.py", "b/index.py", "calendar.py", "a/calendar.py")
    site.publish({name: f"def index(): return {name!r}" for name in names})
    paths = ("/", "/a", "/b", "/calendar", "/a/calendar")
    assert list(names) == [site.get(path).text for path in paths]
    site.tree.published({name: f"def index(): return {name * 2!r}" for name in names})
    assert [name * 2 for name in names] == [site.get(path).text for path in paths]


def test_a_page_and_who_imports_it_have_one_module(site: Site) -> None:
    site.publish({"count.py": "n = 0\ndef index():\n global n\n n += 1\n return n",
                  "index.py": "import count\ndef index(): return count.n"})  # fmt: skip
    assert ["1", "1"] == [site.get(path).text for path in ("/count", "/")]


STEPS = """
    import shared
    begun, go = shared.begun, shared.go
    def index():
        from lib import VALUE as before
        begun.set()
        assert go.wait(20)
        from lib import VALUE as after
        return f"{before} {after}"
    def stream():
        from lib import VALUE
        yield f"{VALUE} "
        begun.set()
        assert go.wait(20)
        from lib import VALUE
        yield str(VALUE)
    async def coroutine():
        import asyncio
        from lib import VALUE as before
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        from lib import VALUE as after
        return f"{before} {after}"
    async def astream():
        import asyncio
        from lib import VALUE
        yield f"{VALUE} "
        begun.set()
        await asyncio.to_thread(go.wait, 20)
        from lib import VALUE
        yield str(VALUE)
    """


@pytest.mark.parametrize("path", ["/", "/stream", "/coroutine", "/astream"])
def test_p2_a_request_sees_one_generation_wherever_it_runs(
    site: Site, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared: Any = ModuleType("shared")
    shared.begun, shared.go = threading.Event(), threading.Event()
    monkeypatch.setitem(sys.modules, "shared", shared)
    site.publish({"index.py": STEPS, "lib.py": "VALUE = 1"})

    asking = Worker(lambda: site.get(path))
    wait(shared.begun)
    site.tree.published({"lib.py": "VALUE = 2"})
    assert transfuse.status().draining != ()
    shared.go.set()

    assert asking.result().text == "1 1"
    assert not transfuse.status().draining
    assert site.get(path).text == "2 2"


def test_under_asgi_a_request_lasts_until_its_thread_has_ended(
    tree: LiveTree, outside: Any
) -> None:
    outside.begun, outside.go = threading.Event(), threading.Event()
    tree.write({
        "lib.py": "VALUE = 1",
        "index.py": """
            import outside
            def index():
                outside.begun.set()
                assert outside.go.wait(20)
                from lib import VALUE
                outside.ran.append(VALUE)
            """,
    })  # fmt: skip
    tree.install()
    application = transfuse.publisher(tree.root)

    async def cancelled() -> bool:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(_message: Any) -> None: ...

        task = asyncio.ensure_future(application(scope, receive, send))
        await asyncio.wait_for(asyncio.to_thread(wait, outside.begun), CAP)
        task.cancel()
        await asyncio.to_thread(tree.published, {"lib.py": "VALUE = 2"})
        outside.go.set()
        done, _ = await asyncio.wait([task], timeout=CAP)
        return bool(done) and task.cancelled()

    assert asyncio.run(cancelled())
    assert outside.ran == [1]


def test_the_folder_becomes_a_root_if_nobody_has_installed(tree: LiveTree) -> None:
    tree.write({"index.py": "def index(): return 1"})
    application = transfuse.publisher(tree.root)
    assert transfuse.status().roots == (str(tree.root),)
    assert (200, "1") == (ask_wsgi(application, "/").status, ask_asgi(application, "/").text)


def test_a_folder_below_a_root_is_published_and_what_is_beside_it_is_not(tree: LiveTree) -> None:
    tree.write({
        "site/index.py": """
            import secret
            shelf = secret.Shelf()
            def index(): return 1
            """,
        "secret.py": "class Shelf:\n    def show(self): return 2",
    })  # fmt: skip
    tree.install()
    application = transfuse.publisher(tree.root / "site")
    paths = ("/", "/shelf/show", "/secret/shelf/show")
    assert [200, 404, 404] == [ask_wsgi(application, path).status for path in paths]


def test_a_page_stays_its_file_when_another_root_gets_one_of_its_name(site: Site) -> None:
    other = site.tree.root.parent / "other"
    other.mkdir()
    site.tree.write({"page.py": "def index(): return 'ours'"})
    transfuse.install(roots=[other, site.tree.root], watch=False)
    site.application = transfuse.publisher(site.tree.root)
    assert site.get("/page").text == "ours"
    (other / "page.py").write_text("def index(): return 'other'", encoding="utf-8")
    assert transfuse.update().outcome == "published"
    assert site.get("/page").text == "ours"
    (other / "page.py").unlink()
    assert transfuse.update().outcome == "published"
    assert site.get("/page").text == "ours"


def test_a_folder_that_is_under_no_root_is_an_error_that_says_what_to_do(tree: LiveTree) -> None:
    tree.install()
    other = tree.root.parent / "other"
    other.mkdir()
    with pytest.raises(
        transfuse.RootError, match=r"other lies under none of the roots .*app; name"
    ):
        transfuse.publisher(other)
    with pytest.raises(transfuse.RootError, match="nothing does not exist"):
        transfuse.publisher(tree.root / "nothing")


def test_a_folder_that_does_not_exist_is_an_error(tree: LiveTree) -> None:
    with pytest.raises(transfuse.RootError, match="nothing does not exist"):
        transfuse.publisher(tree.root / "nothing")
    assert not transfuse._core.installed()


def test_a_root_that_is_a_link_which_is_flipped(site: Site) -> None:
    above = site.tree.root.parent
    for release in (1, 2):
        (above / f"release-{release}").mkdir()
        text = f"def index(): return {release}"
        (above / f"release-{release}" / "index.py").write_text(text, encoding="utf-8")
    current = above / "current"
    current.symlink_to("release-1")
    transfuse.install(roots=[current], watch=False)
    site.application = transfuse.publisher(current)
    assert site.get("/").text == "1"
    (above / "next").symlink_to("release-2")
    (above / "next").rename(current)
    assert transfuse.update().outcome == "published"
    assert site.get("/").text == "2"
