"""Bad input refuses or delays an update. It never causes a crash or a half-read module."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

import transfuse
from conftest import CAP, LiveTree, ran
from support.threads import Worker, together

BAD = {
    "not UTF-8": b"NAME = '\xff\xfe'\n",
    "NUL byte": b"NAME = 1\n\0\nVALUE = 2\n",
    "NUL byte in a comment": b"# \0\nVALUE = 2\n",
    "unknown encoding": b"# coding: no-such-code\nVALUE = 2\n",
    "not its encoding": b"# coding: ascii\nNAME = '\xc3\xa9'\n",
    "nonsense": bytes(range(256)),
    "unfinished": b"def f(:\n    '''never closed\n",
    "too deep": b"VALUE = " + b"(" * 5000 + b")" * 5000 + b"\n",
    "tabs and spaces": b"if 1:\n\tA = 1\n        B = 2\n",
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_python_is_refused(tree: LiveTree, policy: str, kind: str) -> None:
    tree.write({"prices.py": "VALUE = 1\n", "web.py": "import prices\n"})
    tree.install(policy=policy)
    web = tree.module("web")
    served = transfuse.status().generation
    (tree.root / "prices.py").write_bytes(BAD[kind])
    report = transfuse.update()
    assert ("refused", served) == (report.outcome, report.generation)
    assert isinstance(report.error, (SyntaxError, MemoryError, RecursionError)), report.error
    assert (web, 1) == (tree.module("web"), web.prices.VALUE)
    if isinstance(report.error, SyntaxError):
        assert "prices.py" in report.traceback
    tree.published({"prices.py": "VALUE = 3\n"})
    assert tree.module("web").prices.VALUE == 3


@pytest.mark.parametrize("kind", BAD)
def test_such_a_file_at_the_first_load_is_an_error_of_its_import(tree: LiveTree, kind: str) -> None:
    tree.write({"web.py": "import prices\n", "other.py": "VALUE = 1\n"})
    (tree.root / "prices.py").write_bytes(BAD[kind])
    tree.install()
    with pytest.raises((SyntaxError, MemoryError, RecursionError)):
        tree.module("web")
    assert tree.module("other").VALUE == 1


def test_other_encodings_are_read_as_they_say(tree: LiveTree, policy: str) -> None:
    tree.install(policy=policy)
    for number, (name, text) in enumerate(
        {
            "latin": "# coding: latin-1\nNAME = 'é'\n".encode("latin-1"),
            "marked": b"\xef\xbb\xbfNAME = '\xc3\xa9'\n",
            "windows": "NAME = 'é'\r\n".encode(),
            "empty": b"",
        }.items()
    ):
        (tree.root / f"{name}.py").write_bytes(text)
        transfuse.update()
        assert getattr(tree.module(name), "NAME", "é") == "é"
        assert transfuse.status().modules == number + 1


@pytest.mark.parametrize("watch", [False, True])
def test_a_directory_called_like_a_file(tree: LiveTree, policy: str, watch: bool) -> None:
    tree.write({"web.py": "VALUE = 1\n"})
    (tree.root / "folder.py").mkdir()
    tree.install(policy=policy, watch=watch)
    assert tree.module("web").VALUE == 1
    with pytest.raises(ModuleNotFoundError):
        tree.module("folder")
    (tree.root / "another.py").mkdir()
    tree.published({"web.py": "VALUE = 2\n"}) if not watch else _saved(tree, "VALUE = 2\n")
    assert tree.module("web").VALUE == 2


def _saved(tree: LiveTree, text: str) -> None:
    seen = len(tree.reports)
    tree.write({"web.py": text})
    tree.wait(lambda report: report.outcome == "published", after=seen)


def test_a_file_that_becomes_a_directory(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "import prices\n", "prices.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("web")
    tree.delete("prices.py")
    (tree.root / "prices.py").mkdir()
    assert transfuse.update().outcome == "refused"
    assert tree.module("web").prices.VALUE == 1
    (tree.root / "prices.py").rmdir()
    tree.published({"prices.py": "VALUE = 2\n"})
    assert tree.module("web").prices.VALUE == 2


def test_a_file_that_vanishes_again_and_again(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "VALUE = 1\n", "prices.py": "VALUE = 1\n"})
    tree.install(policy=policy, watch=True)
    tree.module("web")
    for number in range(100):
        tree.write({"flicker.py": f"VALUE = {number}\n", "prices.py": f"VALUE = {number}\n"})
        tree.delete("flicker.py")
        tree.delete("prices.py")
    tree.write({"prices.py": "VALUE = 'at last'\n"})
    transfuse.update()
    assert tree.module("prices").VALUE == "at last"
    with pytest.raises(ModuleNotFoundError):
        tree.module("flicker")
    assert [report for report in tree.reports if report.outcome == "refused"] == []


def test_files_that_vanish_while_many_updates_look_at_them(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("web")
    stop = threading.Event()

    def flicker() -> None:
        while not stop.is_set():
            tree.write({"deep/er/flicker.py": "VALUE = 1\n"})
            shutil.rmtree(tree.root / "deep")

    worker = Worker(flicker)
    outcomes = together(4, lambda _: [transfuse.update().outcome for _ in range(25)])
    stop.set()
    worker.result()
    assert {"published", "unchanged"} >= {outcome for each in outcomes for outcome in each}
    assert tree.module("web").VALUE == 1


@pytest.mark.parametrize(
    "halves",
    [
        ("FIRST = 2\n", "SECOND = 2\n"),
        ("", "FIRST = 2\nSECOND = 2\n"),
        ("FIRST = 2\nSECO", "ND = 2\n"),
    ],
    ids=["both valid", "empty at first", "in the middle of a word"],
)
def test_a_file_that_is_written_in_two_halves_is_never_loaded_half(
    tree: LiveTree, policy: str, halves: tuple[str, str]
) -> None:
    tree.write({"prices.py": "FIRST = 1\nSECOND = 1\n", "web.py": "from prices import SECOND\n"})
    tree.install(policy=policy, watch=True)
    tree.module("web")
    with (tree.root / "prices.py").open("w") as file:
        file.write(halves[0])
        file.flush()
        # A writer that is slow, and not done: it has the file open.
        assert tree.quiet(after=0, seconds=0.25), tree.reports
        assert tree.module("prices").SECOND == 1
        file.write(halves[1])
    tree.wait(lambda report: report.outcome == "published")
    assert [report.outcome for report in tree.reports] == ["published"]
    assert (tree.module("prices").FIRST, tree.module("prices").SECOND) == (2, 2)


def test_two_saves_a_moment_apart_end_with_the_second(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": "VALUE = 0\n", "web.py": "from prices import VALUE\n"})
    tree.install(policy=policy, watch=True)
    tree.module("web")
    for number in range(1, 31):
        tree.write({"prices.py": "VALUE = (\n"})
        tree.write({"prices.py": f"VALUE = {number}\n"})
    transfuse.update()
    assert tree.module("web").VALUE == 30


@pytest.mark.parametrize("watch", [False, True])
def test_a_file_that_cannot_be_read_any_more(tree: LiveTree, policy: str, watch: bool) -> None:
    tree.write({"prices.py": "VALUE = 1\n", "web.py": "import prices\n"})
    tree.install(policy=policy, watch=watch)
    web = tree.module("web")
    file = tree.root / "prices.py"
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    if not watch:
        assert transfuse.update().outcome == "refused"
    assert web is tree.module("web")
    file.chmod(0o644)
    assert transfuse.update().outcome == "unchanged"


@pytest.mark.parametrize("where", ["nowhere", "itself", "a directory"])
def test_a_file_that_becomes_a_link_to_nothing(tree: LiveTree, policy: str, where: str) -> None:
    tree.write({"prices.py": "VALUE = 1\n", "web.py": "import prices\n"})
    tree.install(policy=policy)
    web = tree.module("web")
    target = {"nowhere": "no-such-file", "itself": "prices.py", "a directory": "."}[where]
    tree.delete("prices.py")
    (tree.root / "prices.py").symlink_to(target)
    report = transfuse.update()
    assert report.outcome == "refused"
    assert (web, 1) == (tree.module("web"), web.prices.VALUE)
    tree.delete("prices.py")
    tree.published({"prices.py": "VALUE = 2\n"})
    assert tree.module("web").prices.VALUE == 2


def test_a_file_that_becomes_a_link_to_another(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": "VALUE = 1\n"})
    other = tree.root.parent / "elsewhere.py"
    other.write_text("VALUE = 2\n")
    tree.install(policy=policy)
    tree.module("prices")
    tree.delete("prices.py")
    (tree.root / "prices.py").symlink_to(other)
    tree.published()
    assert tree.module("prices").VALUE == 2


def test_a_pipe_called_like_a_module_holds_nobody_up(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "VALUE = 1\n"})
    os.mkfifo(tree.root / "pipe.py")
    tree.install(policy=policy)
    assert Worker(lambda: tree.module("web").VALUE).result(CAP) == 1
    os.mkfifo(tree.root / "another.py")
    report = Worker(lambda: tree.published({"web.py": "VALUE = 2\n"})).result(CAP)
    assert ran(report) == ["web"]
