"""A header's parameters are read in one pass, and what is none is refused."""

from __future__ import annotations

import pytest

from transfuse.publishing.header_parameters import essence_of, parameters_of

READ: dict[str, dict[str, str]] = {
    "text/html": {},
    "form-data; name=a": {"name": "a"},
    'form-data; NAME="a;b" ; filename = c.txt ;': {"name": "a;b", "filename": "c.txt"},
    r'form-data; name="a\"b\\c"': {"name": r"a\"b\c".replace('\\"', '"')},
    r'form-data; filename="C:\new\table.txt"': {"filename": r"C:\new\table.txt"},
    "form-data; filename*=UTF-8''%C3%A9.txt": {"filename": "é.txt"},
    "form-data; filename=e.txt; filename*=iso-8859-1'en'%E9.txt": {"filename": "é.txt"},
    "form-data; filename*=utf-8''a; filename=b": {"filename": "a"},
    'a; name=""': {"name": ""},
    "a; boundary*0=b": {"boundary*0": "b"},
    ";;; ;": {},
}


@pytest.mark.parametrize("header", READ)
def test_a_header_has_parameters(header: str) -> None:
    assert READ[header] == parameters_of(header)


@pytest.mark.parametrize(
    "header",
    ['a; x="' + ";" * 7900, 'a; x="b', "a; x", 'a; x="b"c', 'a; x=b"c', "a; =b", "a; x y=b",
     "a; x=1; x=2", "a; x=1; X=2", "a; x*=utf-16''%2f", "a; x*=utf-7''%2BAC8-",
     "a; x*=unicode_escape''%5cud800", "a; x*=punycode''a-", "a; x*=\0''x", "a; x*=utf-8''%ff",
     "a; x*=utf-8", 'a; x="b\\'],
)  # fmt: skip
def test_what_is_no_header_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match=r"no header|twice|neither|decode"):
        parameters_of(header)


def test_what_comes_before_the_parameters_is_the_essence() -> None:
    assert essence_of("Text/HTML ; charset=utf-8") == "text/html"
    assert essence_of("") == ""
