"""The examples of docs/publisher.md do what the page says."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import pytest

import publishing_site
from publishing_site import Site

site = publishing_site.site

PAGE = (Path(__file__).parents[2] / "docs" / "publisher.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# site/(\S+)\n(.*?)```", PAGE, re.DOTALL))
ASKED = re.findall(r"^(GET|PUT) (\S+)(?: (\S+))?\n(.*)$", PAGE, re.MULTILINE)


def test_the_page_has_examples() -> None:
    assert set(FILES) == {"index.py", "shop/prices.py", "staff.py"}
    assert len(ASKED) == 17


@pytest.mark.parametrize("number", range(len(ASKED)))
def test_an_example_says_what_the_page_says(site: Site, number: int) -> None:
    method, asked, user, said = ASKED[number]
    path, _, query = asked.partition("?")
    headers = {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
    site.publish(FILES)
    reply = site.get(path, query, method=method, headers=headers)
    shown = f"{reply.status} {reply.text.strip()}"
    if "html" in reply.kind:
        title, *told = re.findall(r"<(?:h1|p)>(.*)</", reply.text)
        shown = f"{reply.status} {html.unescape(told[0])}" if told else title
    assert said == shown


def test_an_upload_is_taken(site: Site) -> None:
    site.publish(FILES)
    body = (
        b'--X\r\nContent-Disposition: form-data; name="table"; filename="a.csv"\r\n\r\n1,2\r\n--X--'
    )
    reply = site.post("/shop/prices/load", body, "multipart/form-data; boundary=X")
    assert reply.text == "POST: a.csv, 3 bytes"
