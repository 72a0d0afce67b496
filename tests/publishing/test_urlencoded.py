"""A form that is urlencoded is read as `parse_qsl` reads it, and costs what it is long."""

from __future__ import annotations

import tracemalloc
from urllib.parse import parse_qsl

import pytest

import publishing_site
from publishing_site import Site
from transfuse.publishing.urlencoded import pairs_of

site = publishing_site.site

FORM = "application/x-www-form-urlencoded"
MEBIBYTE = 1024 * 1024
TEXTS = [
    "", "&", "&&a=1&&", "a", "a=", "=a", "=", "a=b=c", "a+b=c+d", "a%2Bb=c%20d", "%61=%62", "a=%",
    "a=%4", "a=%4g", "a=%%41", "a=%25%34%31", "a=%2541", "a=%C3%A9", "a=é", "é=%c3%a9é", "a;b=c;d",
    "a=%00", "a=1%26b=2", "a=1%3Db", "a=%41%4%42", "a=\n", "%=%&%2=%2", "a=%E2%82%AC+%E2%82%AC",
]  # fmt: skip
UNREADABLE = [b"a=%FF", b"%ff=a", b"a=\xff", b"a=%C3x%A9", b"a=%C3+%A9", b"a=\xc3%A9", b"a=%C3\xa9",
              b"a=%C3&b=%A9", b"a=%ED%A0%80"]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert parse_qsl(text, keep_blank_values=True) == list(pairs_of(text.encode(), most=9))


@pytest.mark.parametrize("raw", UNREADABLE)
def test_what_is_no_text_is_a_400(site: Site, raw: bytes) -> None:
    site.publish({"index.py": "def show(**others): return repr(others)"})
    reply = site.post("/show", raw, FORM)
    assert reply.status == 400
    assert "the form is not UTF-8" in reply.text
    assert site.get("/show", raw.decode("latin-1")).status == 400


def test_there_are_a_thousand_pairs_at_most(site: Site) -> None:
    site.publish({"index.py": "def show(**others): return str(len(others))"})
    thousand = "&".join(f"a{number}=" for number in range(1000))
    assert site.post("/show", thousand.encode(), FORM).text == "1000"
    assert site.post("/show", f"{thousand}&".encode(), FORM).status == 400


def test_a_form_is_a_mebibyte_long_at_most_and_in_parts_it_may_be_longer(site: Site) -> None:
    site.publish({"index.py": "def show(a): return str(len(a))"})
    longest = b"a=" + b"x" * (MEBIBYTE - 2)
    assert site.post("/show", longest, FORM).text == str(MEBIBYTE - 2)
    reply = site.post("/show", longest + b"x", FORM)
    assert reply.status == 413
    assert "an urlencoded form may be 1048576 bytes long, and not more" in reply.text
    head = b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
    parts = head + longest + b"\r\n--XX--"
    assert site.post("/show", parts, "multipart/form-data; boundary=XX").text == str(MEBIBYTE)


@pytest.mark.parametrize("quoted", [b"%41", b"%", b"%4", b"%41%"])
def test_it_takes_less_memory_than_an_object_for_each_byte(quoted: bytes) -> None:
    raw = b"a=" + quoted * (MEBIBYTE // len(quoted))
    tracemalloc.start()
    try:
        ((name, value),) = pairs_of(raw, most=9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (name, len(value)) == ("a", len(parse_qsl(raw.decode())[0][1]))
    assert peak < 72 * MEBIBYTE
