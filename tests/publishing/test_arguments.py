"""Arguments come by name, from query, forms and JSON, and are what the annotations say."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

import pytest

import publishing_site
from publishing_site import Site
from transfuse.publishing import Request
from transfuse.publishing.arguments import arguments_for

site = publishing_site.site

URLENCODED = "application/x-www-form-urlencoded"
PAGE = """
    from __future__ import annotations
    import enum
    from datetime import date, datetime, time
    from decimal import Decimal
    from typing import TYPE_CHECKING, Annotated, Literal, Optional
    from uuid import UUID
    from transfuse.publishing import Request, Upload
    if TYPE_CHECKING:
        from nowhere import Nothing

    class Size(enum.Enum):
        SMALL, LARGE = "small", "large"

    def plain(a, b="none") -> Nothing: return repr((a, b))
    def every(**others): return repr(sorted(others.items()))
    def positional(a, b=2, /, c=3, *rest, d): return repr((a, b, c, rest, d))
    def whole(n: int): return repr(n)
    def number(n: float): return repr(n)
    def decimal(n: Decimal): return repr(n)
    def truth(n: bool): return repr(n)
    def text(n: str): return repr(n)
    def when(n: date): return repr(n)
    def moment(n: datetime): return repr(n)
    def clock(n: time): return repr(n)
    def uuid(n: UUID): return str(n)
    def fixed(n: tuple[int, ...]): return repr(n)
    def distinct(n: set[int]): return repr(n)
    def frozen(n: frozenset[str]): return repr(sorted(n))
    def pair(n: tuple[int, str]): return repr(n)
    def size(n: Size): return repr(n)
    def literal(n: Literal["a", 1]): return repr(n)
    def optional(n: Optional[int] = 7): return repr(n)
    def union(n: str | int): return repr(n)
    def several(n: list[int]): return repr(n)
    def annotated(n: Annotated[int, "unit"]): return repr(n)
    def mapping(n: dict[str, int]): return repr(n)
    def ints(**n: int): return repr(n)
    def unknown(n: Request): return repr(n)
    def underscored(_n="own", **others): return repr((_n, others))
    def asked(request, n="none"): return f"{request.method} {request.path} {n}"
    def raw(request): return request.body + request.headers["content-type"].encode()
    def upload(n: Upload): return f"{n.filename} {n.content_type} {n.data!r}"
    def uploads(n: list[Upload], more: str): return repr([each.filename for each in n] + [more])
    def data(n: bytes): return n
    class Thing:
        def method(self, a, **others): return repr((type(self).__name__, a, others))
    thing = Thing()
    """


@pytest.fixture
def page(site: Site) -> Site:
    site.publish({"index.py": PAGE})
    return site


GIVEN = {
    "plain?a=1": "('1', 'none')",
    "plain?a=1&b=2&c=3&self=4": "('1', '2')",
    "plain?a=1&a=2": "(['1', '2'], 'none')",
    "plain?a=&b=": "('', '')",
    "plain?a=%C3%A9+%26": "('é &', 'none')",
    "every?b=1&a=2&b=3": "[('a', '2'), ('b', ['1', '3'])]",
    "every?_=1&__x=2&a=3": "[('a', '3')]",
    "every": "[]",
    "positional?a=1&d=4": "('1', 2, 3, (), '4')",
    "positional?a=1&b=5&c=6&d=4&rest=7": "('1', '5', '6', (), '4')",
    "whole?n=-7": "-7",
    "number?n=1e3": "1000.0",
    "decimal?n=1.10": "Decimal('1.10')",
    "truth?n=on": "True",
    "truth?n=0": "False",
    "text?n=7": "'7'",
    "when?n=2004-10-31": "datetime.date(2004, 10, 31)",
    "moment?n=2004-10-31T12:30:00": "datetime.datetime(2004, 10, 31, 12, 30)",
    "clock?n=12:30": "datetime.time(12, 30)",
    "uuid?n=00000000000000000000000000000001": "00000000-0000-0000-0000-000000000001",
    "fixed?n=1&n=2": "(1, 2)",
    "distinct?n=1&n=1": "{1}",
    "frozen?n=b&n=a&n=b": "['a', 'b']",
    "size?n=large": "<Size.LARGE: 'large'>",
    "literal?n=1": "1",
    "optional": "7",
    "optional?n=": "None",
    "optional?n=8": "8",
    "union?n=7": "7",
    "union?n=x": "'x'",
    "several?n=1": "[1]",
    "several?n=1&n=2": "[1, 2]",
    "annotated?n=1": "1",
    "ints?a=1&b=2": "{'a': 1, 'b': 2}",
    "underscored?_n=theirs&a=1": "('own', {'a': '1'})",
    "asked?n=1&request=forged": "GET /asked 1",
    "thing/method?a=1&self=forged&b=2": "('Thing', '1', {'b': '2'})",
}


@pytest.mark.parametrize("asked", GIVEN)
def test_a_query_is_arguments(page: Site, asked: str) -> None:
    path, _, query = asked.partition("?")
    reply = page.get(f"/{path}", query)
    assert (200, GIVEN[asked]) == (reply.status, reply.text)


REFUSED = {
    "plain": "a is missing",
    "plain?b=1": "a is missing",
    "whole?n=x": "n: &#x27;x&#x27; is not a whole number",
    "whole?n=": "n: &#x27;&#x27; is not a whole number",
    "whole?n=1_0": "n: &#x27;1_0&#x27; is not a whole number",
    "whole?n=%EF%BC%97": "is not a whole number",
    "whole?n=1.0": "is not a whole number",
    "whole?n=" + "1" * 5000: "is not a whole number",
    "whole?n=1&n=2": "n: 2 values is not a whole number",
    "number?n=nan": "is not a number",
    "number?n=1e999": "is not a number",
    "decimal?n=NaN": "is not a decimal number",
    "truth?n=maybe": "is not true or false",
    "text?n=1&n=2": "is not one text",
    "when?n=2004-13-31": "is not a date such as",
    "moment?n=yesterday": "is not a time such as",
    "clock?n=25:00": "is not a time of day such as",
    "uuid?n=1": "is not a UUID",
    "uuid?n=" + "%D9%A1" * 32: "is not a UUID",
    "when?n=%D9%A2004-10-31": "is not a date such as",
    "fixed?n=1&n=x": "is not a whole number",
    "distinct?n=x": "is not a whole number",
    "size?n=huge": "is not one of small, large",
    "size?n=SMALL": "is not one of small, large",
    "literal?n=b": "is not one of a, 1",
    "optional?n=x": "is not a whole number",
    "several?n=1&n=x": "&#x27;x&#x27; is not a whole number",
    "mapping?n=1": "is not an object",
    "ints?a=x": "a: &#x27;x&#x27; is not a whole number",
    "upload?n=text": "is not one file",
    "whole?n=<script>": "&lt;script&gt;",
    "plain?a=%FF": "the query is not UTF-8",
    "every?" + "a=1&" * 1001: "the query is too long",
}  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED, ids=range(len(REFUSED)))
def test_what_does_not_fit_is_a_400_that_says_what(page: Site, asked: str) -> None:
    path, _, query = asked.partition("?")
    reply = page.get(f"/{path}", query)
    assert reply.status == 400
    assert REFUSED[asked] in reply.text


def test_all_that_is_wrong_is_said_at_once(page: Site) -> None:
    reply = page.get("/positional", "b=1")
    assert reply.status == 400
    assert "a is missing" in reply.text
    assert "d is missing" in reply.text


def test_an_annotation_that_is_not_known_is_an_error_and_not_a_call(page: Site) -> None:
    assert page.get("/unknown", "n=1").status == 500
    assert page.get("/pair", "n=1&n=x").status == 500


def test_a_form_adds_to_the_query(page: Site) -> None:
    assert page.post("/plain", b"b=2", URLENCODED, "a=1").text == "('1', '2')"
    assert page.post("/plain", b"a=2", URLENCODED, "a=1").text == "(['1', '2'], 'none')"
    assert page.post("/whole", b"n=x", f"{URLENCODED}; charset=utf-8").status == 400
    assert page.post("/plain", b"a=%FF", URLENCODED).status == 400


def test_what_is_no_form_is_left_to_the_function(page: Site) -> None:
    assert page.post("/raw", b"<a/>", "text/xml").text == "<a/>text/xml"
    assert page.post("/plain", b"a=1", "text/plain").status == 400


JSON = {
    "plain": ({"a": 1, "b": None, "c": 2}, "(1, None)"),
    "whole": ({"n": 7}, "7"),
    "number": ({"n": 7}, "7.0"),
    "decimal": ({"n": 1.1}, "Decimal('1.1')"),
    "truth": ({"n": True}, "True"),
    "optional": ({"n": None}, "None"),
    "several": ({"n": [1, "2"]}, "[1, 2]"),
    "mapping": ({"n": {"a": 1}}, "{'a': 1}"),
    "every": ({"a": [1], "_b": 2}, "[('a', [1])]"),
    "literal": ({"n": 1}, "1"),
}


@pytest.mark.parametrize("path", JSON)
def test_json_is_arguments(page: Site, path: str) -> None:
    sent, expected = JSON[path]
    reply = page.post(f"/{path}", json.dumps(sent).encode(), "application/json")
    assert (200, expected) == (reply.status, reply.text)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("plain", b"{"), ("plain", b"[" * 100_000), ("plain", b"[1]"), ("plain", b'{"a": NaN}'),
        ("plain", b'{"a": ' + b"1" * 5000 + b"}"), ("plain", b"\xff"), ("whole", b'{"n": true}'),
        ("text", b'{"n": 1}'), ("truth", b'{"n": 1}'), ("whole", b'{"n": null}'),
        ("whole", b'{"n": 1.5}'), ("number", b'{"n": 1e999}'), ("several", b'{"n": [null]}'),
        ("mapping", b'{"n": {"a": "x"}}'),
    ],
)  # fmt: skip
def test_json_that_makes_no_sense_is_a_400(page: Site, path: str, sent: bytes) -> None:
    assert page.post(f"/{path}", sent, "application/json").status == 400


def form(*parts: tuple[str, bytes], end: bytes = b"--\r\n") -> bytes:
    pieces = [b"--XX\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts]
    return b"".join(pieces) + b"--XX" + end


def named(name: str, *, filename: str | None = None, kind: str | None = None) -> str:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += "" if filename is None else f'; filename="{filename}"'
    return head + ("" if kind is None else f"\r\nContent-Type: {kind}")


MULTIPART = "multipart/form-data; boundary=XX"
BINARY = bytes(range(256)) + b"\r\n--XY\r\n\n\r--\r\n"


def test_a_form_in_parts_brings_text_and_files_as_they_are(page: Site) -> None:
    body = form((named("a"), "é".encode()), (named("b"), b"two\r\nlines\n"))
    assert page.post("/plain", body, MULTIPART).text == repr(("é", "two\r\nlines\n"))
    body = form((named("n", filename="a b.png", kind="image/png"), BINARY))
    assert page.post("/data", body, MULTIPART).body == BINARY
    assert page.post("/upload", body, MULTIPART).text == f"a b.png image/png {BINARY!r}"
    assert page.post("/upload", body, 'multipart/form-data; boundary="XX"').status == 200
    body = form(
        (named("n", filename="é.txt"), b""), (named("n", filename="2"), b""), (named("more"), b"x")
    )
    assert page.post("/uploads", body, MULTIPART).text == "['é.txt', '2', 'x']"


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\\\etc\\\\passwd", "/etc/passwd"])
def test_a_files_name_has_no_folders(page: Site, name: str) -> None:
    body = form((named("n", filename=name), b""))
    assert page.post("/upload", body, MULTIPART).text.startswith("passwd ")


def test_a_file_that_nobody_has_chosen_is_none(page: Site) -> None:
    body = form((named("n", filename="", kind="application/octet-stream"), b""))
    reply = page.post("/upload", body, MULTIPART)
    assert reply.status == 400
    assert "n is missing" in reply.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (form((named("a"), b"1"))[:-6], MULTIPART), (form((named("a"), b"1"), end=b""), MULTIPART),
        (form((named("a"), b"\xff")), MULTIPART), (form(("No colon", b"1")), MULTIPART),
        (form(("Content-Disposition: form-data", b"1")), MULTIPART),
        (form((named("a") + "\r\nX: " + "y" * 9000, b"1")), MULTIPART),
        (form((named("a"), b"1")), "multipart/form-data"), (b"--XX\r\n", MULTIPART),
        (form((named("a"), b"1")), "multipart/form-data; boundary="), (b"nothing", MULTIPART),
        (form((named("a"), b"1")), "multipart/form-data; boundary=" + "X" * 100),
        (form(*[(named("a"), b"1")] * 1001), MULTIPART), (b"--XXtail\r\n\r\n--XX--", MULTIPART),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_form_in_parts_that_cannot_be_read_is_a_400(page: Site, body: bytes, kind: str) -> None:
    assert page.post("/every", body, kind).status == 400


def test_a_compressed_body_is_a_415(page: Site) -> None:
    headers = {"Content-Type": URLENCODED, "Content-Encoding": "gzip"}
    reply = page.get("/every", method="POST", body=b"a=1", headers=headers)
    assert reply.status == 415


def test_a_function_that_is_patched_has_its_new_parameters(site: Site) -> None:
    source = "__reload__ = 'patch'\ndef show({0}): return repr(n)\n"
    source += "class C:\n    def m(self, {0}): return repr(n)\nc = C()\n"
    said: list[list[str]] = []
    for parameters in ("n: int", "n: str", "n='x'", "n='y'", "*, n='z'", "*, n: bytes = b'u'"):
        if not said:
            site.publish({"index.py": source.format(parameters)})
        else:
            site.tree.published({"index.py": source.format(parameters)})
        query = "n=1" if len(said) < 2 else ""
        said.append([site.get(f"/{name}", query).text for name in ("show", "c/m") * 2])
    assert said == [[each] * 4 for each in ("1", "'1'", "'x'", "'y'", "'z'", "b'u'")]


def test_what_a_function_takes_is_kept_no_longer_than_the_function() -> None:
    source = """
import enum
class Size(enum.Enum):
    SMALL = "small"
    def itself(self): return show
def show(n: int, m: str = "x"): return repr((n, m))
def sized(n: Size): return repr(n)
def default(n: int, m=show): return repr(n)
def only(n: int, *, m=Size.SMALL): return repr(n)
"""
    request = Request("GET", "/", "", {}, None)
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(source, namespace)
    names = ("show", "sized", "default", "only")
    for name in names * 2:
        arguments_for(namespace[name], request, {"n": "small" if name == "sized" else "1"})
    left = [weakref.ref(namespace[name]) for name in names]
    namespace.clear()
    gc.collect()
    assert [None] * 4 == [each() for each in left]
