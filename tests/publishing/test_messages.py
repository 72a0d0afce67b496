"""A message about a mistake names the place and reveals no secret."""

from __future__ import annotations

import base64
import textwrap

import pytest

import publishing_site
from publishing_site import Site

site = publishing_site.site

JSON = "application/json"
ERIC = {"Authorization": "Basic " + base64.b64encode(b"eric:other").decode()}

TOLD = """
    class Told:
        def __repr__(self): return "swordfish"
        __str__ = __repr__
    """
# The code of the page, and the line in the log.
MISTAKEN = {
    "a password for a dict": ("__auth__ = 'swordfish'", "not a str: FILE"),
    "bytes": ("__auth__ = b'swordfish'", "not a bytes: FILE"),
    "a text of users": ("__access__ = 'swordfish'", "not a str: FILE"),
    "an object for users": ("__access__ = Told()", "not a Told: FILE"),
    "a realm": ("__auth_realm__ = ['swordfish']", "not a list: FILE"),
    "none": ("__auth__ = None", "not None: FILE"),
    "an answer": ("def __auth__(request, user, password): return Told()", "returned a Told: FILE"),
    "of a function": (
        "def index(): return 'in'\nindex.__auth__ = 'swordfish'", "not a str: index in FILE"),
    "inside a function": (
        "def index():\n    __access__ = 'swordfish'", "__access__ of index in FILE"),
    "of an object": (
        "class Shelf:\n    def index(self): return 'in'\nindex = Shelf()\n"
        "index.__access__ = 'swordfish'", "not a str: Shelf in FILE"),
    "of a class": (
        "class index:\n    __publish__ = True\n    __auth__ = 'swordfish'\n"
        "    def index(self): return 'in'", "not a str: index in FILE"),
}  # fmt: skip


@pytest.mark.parametrize("what", MISTAKEN)
def test_a_mistaken_guard_is_told_by_its_type_and_place_and_not_by_its_value(
    site: Site, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    source, told = MISTAKEN[what]
    rest = "" if "index" in source else "def index(): return 'in'\n"
    site.publish({"index.py": f"{textwrap.dedent(TOLD)}\n{source}\n{rest}"}, debug=True)

    reply = site.get("/", headers=ERIC)

    assert reply.status == 500
    assert told.replace("FILE", str(site.tree.root / "index.py")) in caplog.text
    assert "swordfish" not in caplog.text + reply.text + str(reply.headers)


@pytest.mark.parametrize("value", ["b'swordfish'", "['swordfish']", "None"])
def test_a_password_in_a_dict_that_is_no_text_is_told_to_the_author_alone(
    site: Site, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = f"__auth__ = {{'eric': {value}}}\ndef index(): return 'in'"
    site.publish({"index.py": source}, debug=True)

    reply = site.get("/", headers=ERIC)

    assert reply.status == 401
    assert f": {site.tree.root / 'index.py'}" in caplog.text
    assert "a password in __auth__ is a text, not " in caplog.text
    assert "swordfish" not in caplog.text + reply.text


def test_a_password_that_is_no_utf8_is_nobodys(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    source = "__auth__ = {'eric': 'swordfish\\udc80'}\ndef index(): return 'in'"
    site.publish({"index.py": source}, debug=True)
    assert site.get("/", headers=ERIC).status == 401
    assert "udc80" not in caplog.text


def test_what_a_package_has_put_in_its_place_is_told_by_its_type(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    package = textwrap.dedent(TOLD) + "import sys\nsys.modules[__name__] = Told()\n"
    site.publish({"shop/__init__.py": package, "shop/page.py": "def show(): ..."}, debug=True)

    reply = site.get("/shop/page/show")

    assert reply.status == 500
    assert "a package has put a Told in its place" in caplog.text
    assert "swordfish" not in caplog.text + reply.text


UNKNOWN = """
    import functools
    def odd(x: complex): return "called"
    def pair(x: list[tuple[int, str]]): return "called"
    def every(**x: complex): return "called"
    @functools.cache
    def kept(x: complex): return "called"
    def usual(x: complex = 1j): return "called"
    class Shelf:
        def odd(self, x: complex): return "called"
    shelf = Shelf()
    """


@pytest.mark.parametrize(
    ("path", "name"),
    [("odd", "odd"), ("pair", "pair"), ("every", "every"), ("kept", "kept"), ("usual", "usual"),
     ("shelf/odd", "Shelf.odd")],
)  # fmt: skip
def test_an_annotation_that_is_not_known_is_told_with_parameter_function_and_file(
    site: Site, path: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.publish({"index.py": UNKNOWN})
    assert site.get(f"/{path}", "x=1").status == 500
    assert f": x of {name} in {site.tree.root / 'index.py'}" in caplog.text


def test_an_annotation_is_not_looked_at_while_nothing_is_sent_for_it(site: Site) -> None:
    site.publish({"index.py": UNKNOWN})
    reply = site.get("/odd")
    assert reply.status == 400
    assert "x is missing" in reply.text
    assert site.get("/usual").text == "called"
    assert site.get("/every").status == 500


NO_OBJECT = [b"[1]", b"7", b"null", b' "{"', b"\xef\xbb\xbf[1]"]


@pytest.mark.parametrize("sent", NO_OBJECT)
def test_json_that_is_no_object_is_told_where_a_name_is_missing(site: Site, sent: bytes) -> None:
    site.publish({
        "index.py": "def show(sku): return 'shown'\ndef raw(request): return repr(request.body)"
    })  # fmt: skip
    reply = site.post("/show", sent, JSON)
    assert reply.status == 400
    assert "the body is JSON, and must be an object" in reply.text
    assert site.post("/show", sent, JSON, "sku=1").text == "shown"
    # A page that reads the body itself takes what it likes.
    assert site.post("/raw", sent, JSON).text == repr(sent)


@pytest.mark.parametrize("sent", [b"{}", b' \n{"a": 1}', b"\xef\xbb\xbf{}"])
def test_an_object_without_the_name_is_told_as_such(site: Site, sent: bytes) -> None:
    site.publish({"index.py": "def show(sku): return 'shown'"})
    reply = site.post("/show", sent, JSON)
    assert reply.status == 400
    assert "must be an object" not in reply.text
