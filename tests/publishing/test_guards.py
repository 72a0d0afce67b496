"""`__auth__` and `__access__` are asked at every step, and in doubt the request is refused."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

import publishing_site
from publishing_site import Site

if TYPE_CHECKING:
    from visitor import Reply

site = publishing_site.site


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(site: Site, path: str, said: str | None = None, *, method: str = "GET") -> Reply:
    return site.get(path, method=method, headers={} if said is None else {"Authorization": said})


PAGE = """
    def index(request): return f"index for {request.user}"
    """
GUARDS = {
    "function": "def __auth__(request, user, password): return (user, password) == ('eric', 'é:x')",
    "coroutine": """
async def __auth__(request, user, password): return (user, password) == ('eric', 'é:x')""",
    "dict": "__auth__ = {'eric': 'é:x'}",
}


@pytest.mark.parametrize("guard", GUARDS)
def test_a_module_asks_for_a_password(site: Site, guard: str) -> None:
    site.publish({"page.py": f"{GUARDS[guard]}\n__auth_realm__ = 'the \"shop\"'\n" + PAGE.strip()})

    reply = ask(site, "/page")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Basic realm="the \\"shop\\"", charset="UTF-8"'
    assert "index" not in reply.text
    reply = ask(site, "/page", basic("eric", "é:x"))
    assert (200, "index for eric") == (reply.status, reply.text)


WRONG = ["", "Basic", "Basic ", "Basic !", "Basic ZXJpYw==", "Bearer x", basic("eric", ""),
         basic("eric", "x"), basic("", ""), basic("nobody", "None"), basic("eric", "é:x") + "x",
         basic("eric", "é:x").replace("Basic", "Basic Basic"), "Basic /w=="]  # fmt: skip


@pytest.mark.parametrize("guard", GUARDS)
def test_what_is_no_password_is_a_401(site: Site, guard: str) -> None:
    site.publish({"page.py": f"{GUARDS[guard]}\n{PAGE.strip()}"})
    assert [] == [said for said in WRONG if ask(site, "/page", said).status != 401]


def test_strangers_do_not_learn_what_there_is_behind(site: Site) -> None:
    site.publish({"page.py": f"__auth__ = {{'eric': 'x'}}\n{PAGE.strip()}"})
    for path in ("/page", "/page/index", "/page/nothing", "/page/index/code"):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT"):
            assert ask(site, path, method=method).status == 401
    assert ask(site, "/page/nothing", basic("eric", "x")).status == 404


ACCESS = """
    def __auth__(request, user, password): return password == "x"
    __access__ = ["eric", "eve"]
    def index(request): return request.user
    def own(): return "own"
    own.__access__ = ["eve"]
    def nested():
        def __access__(request, user): return user == "eve"
        return "nested"
    async def nested_async():
        async def __access__(request, user): return user == "eve"
        return "nested"
    def closed(): return "closed"
    closed.__access__ = False
    def opened(): return "opened"
    opened.__access__ = opened.__auth__ = True
    class Shelf:
        def __access__(self, request, user): return user == self.owner
        def __init__(self, owner): self.owner = owner
        def show(self): return "shelf"
    shelf = Shelf("eve")
    class Made:
        __publish__ = True
        __access__ = frozenset({"eve"})
        def index(self): return "made"
    """


def test_access_is_asked_at_each_step(site: Site) -> None:
    site.publish({"index.py": ACCESS})
    paths = ("/", "/own", "/nested", "/nested_async", "/closed", "/opened", "/shelf/show", "/Made")
    found = {
        user: [ask(site, path, basic(user, "x")).status for path in paths]
        for user in ("eric", "eve", "mallory")
    }
    assert found == {
        "eric": [200, 403, 403, 403, 403, 200, 403, 403],
        "eve": [200, 200, 200, 200, 403, 200, 200, 200],
        "mallory": [403] * 8,
    }


def test_a_name_without_a_checked_password_is_no_user(site: Site) -> None:
    site.publish({"index.py": "__access__ = ['eric']\ndef index(): return 'in'"})
    assert ask(site, "/", basic("eric", "x")).status == 403
    site.tree.published({"index.py": "__auth__ = True\n__access__ = ['eric']\ndef index(): ..."})
    assert ask(site, "/", basic("eric", "x")).status == 403


def test_what_wraps_a_function_does_not_take_its_guard_off(site: Site) -> None:
    site.publish({
        "lib.py": """
            import functools
            def plain(function):
                def wrapper(): return function()
                wrapper.__wrapped__ = function
                return wrapper
            """,
        "index.py": """
            from functools import cache
            from lib import plain
            def guarded(function):
                function.__access__ = False
                return function
            @plain
            @guarded
            def wrapped(): return "in"
            @cache
            @guarded
            def cached(): return "in"
            @plain
            def nested():
                def __access__(request, user): return False
                return "in"
            """,
    })  # fmt: skip
    assert [403] * 3 == [ask(site, path).status for path in ("/wrapped", "/cached", "/nested")]


SENSELESS = {
    "a text of users": "__access__ = 'eric'",
    "a number": "__auth__ = 1",
    "none": "__auth__ = None",
    "a list of passwords": "__auth__ = ['eric']",
    "a generator": "def __access__(request, user): yield True",
    "an asynchronous one": "async def __access__(request, user): yield True",
    "one that raises": "def __access__(request, user): raise LookupError",
    "one that takes nothing": "def __access__(): return True",
    "a value inside": "def index():\n    __access__ = ['eric']",
    "a closure inside": """
def index():
    allowed = True
    def __access__(request, user): return allowed""",
    "a lambda inside": "def index():\n    __access__ = lambda *each: True",
}


@pytest.mark.parametrize("what", SENSELESS)
def test_a_guard_that_cannot_be_asked_lets_nobody_in(site: Site, what: str) -> None:
    source = SENSELESS[what]
    rest = "    return 'in'\n" if "def index" in source else "def index(): return 'in'\n"
    site.publish({"index.py": f"{source}\n{rest}"})
    reply = ask(site, "/", basic("eric", "x"))
    assert (500, False) == (reply.status, "in</" in reply.text)


def test_a_package_guards_what_is_below_it(site: Site) -> None:
    guard = "def __access__(request, user): return request.query == 'friend'"
    site.publish({
        "shop/__init__.py": guard,
        "shop/deep/page.py": "def show(): return 'in'",
        "shop/index.py": "def index(): return 'in'",
        "other.py": "def show(): return 'in'",
    })  # fmt: skip
    for path in ("/shop", "/shop/deep/page/show"):
        assert (403, 200) == (site.get(path).status, site.get(path, "friend").status)
    assert site.get("/other/show").status == 200
    # Where the package's file is for the moment does not matter, nor where the page's is.
    site.tree.delete("shop/__init__.py", "shop/index.py")
    assert (403, 200) == (site.get("/shop").status, site.get("/shop", "friend").status)


def test_an_update_takes_a_guard_off_and_puts_it_on(site: Site) -> None:
    site.publish({"index.py": "def index(): return 'in'"})
    assert site.get("/").status == 200
    site.tree.published({"index.py": "__access__ = False\ndef index(): return 'in'"})
    assert site.get("/").status == 403
    site.tree.published({"index.py": "def index(): return 'in'"})
    assert site.get("/").status == 200
