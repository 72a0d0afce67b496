"""`transfuse.read_text` reads a file of the caller's generation."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree, ran

if TYPE_CHECKING:
    from pathlib import Path

WEB = """
    import transfuse
    from pathlib import Path

    def text(name="a.txt"):
        return transfuse.read_text(Path(__file__).parent / name)
    """


def test_p2_a_pinned_caller_reads_what_its_generation_has(tree: LiveTree) -> None:
    tree.write({"web.py": WEB, "a.txt": "1"})
    tree.install()
    web = tree.module("web")
    assert web.text() == "1"
    with transfuse.pin():
        for number in (2, 3):
            assert ran(tree.published({"a.txt": str(number)})) == []
            assert (web.text(), in_thread(web.text)) == ("1", str(number))
    assert web.text() == "3"


def test_p2_a_thread_of_old_code_reads_what_its_generation_has(tree: LiveTree) -> None:
    tree.write({"web.py": WEB, "a.txt": "1"})
    tree.install()
    old = tree.module("web")
    assert old.text() == "1"
    old_text = old.text
    tree.published({"web.py": WEB + "    X = 2\n", "a.txt": "2"})
    assert old_text() == "1"
    assert tree.module("web").text() == "2"


@pytest.mark.parametrize("poll", [None, 0.05])
def test_an_edit_is_seen_by_watching(tree: LiveTree, poll: float | None) -> None:
    tree.write({"web.py": WEB, ".d/a.txt": "1", "b.txt": "1"})
    tree.install(watch=True, poll=poll)
    web = tree.module("web")
    for count, name in enumerate((".d/a.txt", "b.txt")):
        assert web.text(name) == "1"
        tree.write({name: "22"})
        tree.wait(lambda report: report.ok, after=count)
        assert web.text(name) == "22"


def test_a_file_that_appears_goes_and_appears(tree: LiveTree) -> None:
    tree.write({"web.py": WEB})
    tree.install()
    web = tree.module("web")
    with pytest.raises(FileNotFoundError, match=r"a\.txt"):
        web.text()
    with transfuse.pin():
        tree.published({"a.txt": "1"})
        assert in_thread(web.text) == "1"
        with pytest.raises(FileNotFoundError):
            web.text()
    tree.delete("a.txt")
    assert tree.update().outcome == "published"
    with pytest.raises(FileNotFoundError):
        web.text()
    tree.published({"a.txt": "2"})
    assert web.text() == "2"


def test_p4_a_refused_update_leaves_it(tree: LiveTree) -> None:
    tree.write({"web.py": WEB, "a.txt": "1"})
    tree.install()
    assert tree.module("web").text() == "1"
    assert not tree.update({"web.py": "1 / 0", "a.txt": "2"}).ok
    assert tree.module("web").text() == "1"


@pytest.mark.parametrize("first", ["open", "read_text"])
def test_a_module_that_reads_it_while_it_is_imported_runs_again(tree: LiveTree, first: str) -> None:
    reads = {"open": "open(PATH).close()", "read_text": ""}[first]
    code = f"""
        import transfuse
        from pathlib import Path
        PATH = Path(__file__).parent / "a.txt"
        {reads}
        VALUE = transfuse.read_text(PATH)
        """
    tree.write({"web.py": code, "a.txt": "1"})
    tree.install()
    assert tree.module("web").VALUE == "1"
    with transfuse.pin():
        assert ran(tree.published({"a.txt": "2"})) == ["web"]
        assert transfuse.read_text(tree.root / "a.txt") == "1"
    assert tree.module("web").VALUE == "2"


CACHES = {
    "lru_cache": "@functools.lru_cache",
    "cache": "@functools.cache",
}


@pytest.mark.parametrize("cache", CACHES)
def test_a_function_that_keeps_the_text_is_run_anew(tree: LiveTree, cache: str) -> None:
    code = f"""
        import functools, transfuse
        from pathlib import Path

        {CACHES[cache]}
        def text(name):
            return transfuse.read_text(Path(__file__).parent / name)
        """
    tree.write({"texts.py": code, "web.py": "from texts import text\n", "a.txt": "1"})
    tree.install()
    assert tree.module("web").text("a.txt") == "1"
    assert ran(tree.published({"a.txt": "2"})) == ["texts", "web"]
    assert tree.module("web").text("a.txt") == "2"


def test_encodings_and_line_ends(tree: LiveTree) -> None:
    tree.write({"web.py": "", "a.txt": ""})
    tree.install()
    (tree.root / "a.txt").write_bytes("über\r\nall".encode("latin-1"))
    assert transfuse.read_text(tree.root / "a.txt", encoding="latin-1") == "über\nall"
    with pytest.raises(UnicodeDecodeError):
        transfuse.read_text(str(tree.root / "a.txt"))


def test_a_file_elsewhere_is_read_from_disk(tree: LiveTree, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere.txt"
    place.write_text("1")
    tree.install()
    with transfuse.pin():
        assert transfuse.read_text(place) == "1"
        place.write_text("2")
        assert transfuse.read_text(place) == "2"
    with pytest.raises(FileNotFoundError):
        transfuse.read_text(tmp_path / "nothing.txt")


def test_p8_a_text_that_could_not_be_kept_is_an_error_and_no_mix(tree: LiveTree) -> None:
    tree.write({"web.py": WEB, "a.txt": "1"})
    tree.install(store=0)
    web = tree.module("web")
    assert web.text() == "1"
    with transfuse.pin():
        tree.published({"a.txt": "2"})
        assert in_thread(web.text) == "2"
        with pytest.raises(transfuse.ContentGone):
            web.text()


def in_thread(show: Any) -> Any:
    """What new work gets."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(show()))
    thread.start()
    thread.join(CAP)
    return got[0]
