"""A path is a list of files to look for, and a file is spelled as the path spells it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from transfuse.publishing.defined_names import read
from transfuse.publishing.paths import folders, places, real_place

if TYPE_CHECKING:
    from pathlib import Path


def shown(path: str) -> list[str]:
    return [" ".join(["/".join(place.file), *place.names]) for place in places(path)]


def test_the_first_file_that_exists_is_meant() -> None:
    assert shown("/") == shown("") == ["index.py"]
    assert shown("/a/b") == ["a/b.py", "a/b/index.py", "a.py b", "a/index.py b", "index.py a b"]
    assert shown("/a/b/") == shown("/a/b")
    assert shown("/a.py/b") == ["a.py b"]


def test_the_folders_on_the_way_come_from_the_top() -> None:
    assert list(folders("/")) == [()]
    assert list(folders("/a/b/")) == [(), ("a",), ("a", "b")]
    assert list(folders("/a/b.py/c")) == [(), ("a",)]
    assert list(folders("/a/../b")) == []


@pytest.mark.parametrize("path", ["//", "/a//b", "/a/_b", "/../a", "/a.py/b.py", "/a\0", "/é",
                                  "/a" * 33, "/a\n", "/1a", "/a-b"])  # fmt: skip
def test_a_path_that_must_not_be_looked_for_means_no_file(path: str) -> None:
    assert shown(path) == []


def test_where_case_does_not_count_a_file_is_spelled_as_it_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.py").touch()
    real = os.path.lexists
    # A file system that takes one spelling for another.
    monkeypatch.setattr(os.path, "lexists", lambda path: real(str(path).lower()) or real(path))
    folder = str(tmp_path)
    assert real_place(folder, ("shop", "prices.py")) == ("shop", "prices.py")
    assert real_place(folder, ("shop", "Prices.py")) is None
    assert real_place(folder, ("SHOP", "prices.py")) is None


def test_a_linked_file_is_where_the_link_leads_to(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "shop" / "deep").mkdir(parents=True)
    (site / "folder").symlink_to("shop")
    (site / "here").symlink_to(".")
    (site / "out").symlink_to("..")
    folder = str(site)
    assert real_place(folder, ("folder", "deep", "a.py")) == ("shop", "deep", "a.py")
    assert real_place(folder, ("here", "folder", "a.py")) == ("shop", "a.py")
    assert real_place(folder, ("out", "site", "shop", "a.py")) is None


SOURCE = """
import a, b.c, d as e
from f import g, h as i
def j(): k = 1
async def l(): ...
class m:
    n = 1
    def o(self): ...
    class p: q = 1
@r
def s(): ...
t = u = 1
v, (w, *x) = y
z: int = 1
aa: int
if bb:
    cc = 1
else:
    def dd(): ...
try:
    ee = 1
except ff as gg:
    hh = 1
finally:
    class ii: ...
for jj in kk: ll = 1
with mm as nn: oo = 1
while pp: qq = 1
match rr:
    case ss: tt = 1
(uu := 1)
vv.ww = xx[yy] = 1
zz += 1
try:
    from f import either
except ImportError:
    either = None
"""


def test_what_a_source_defines() -> None:
    found = read(SOURCE)
    names = "j l m s t u v w x z cc dd ee hh ii ll oo qq tt"
    assert found.names == set(names.split())
    assert found.decorated == {"s"}
    assert found.classes["m"].names == {"n", "o", "p"}
    assert found.classes["m"].classes["p"].names == {"q"}


def test_what_stands_before_a_star_import_may_be_imported() -> None:
    assert read("a = 1\nfrom b import *\nc = 1").names == {"c"}
