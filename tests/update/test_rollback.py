"""Rollback: a former generation is served again, by a swap and not by a load."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran
from support.threads import Worker, wait
from transfuse.errors import GenerationError, NotInstalledError

SOURCE = "import outside\noutside.ran.append({0})\nVALUE = {0}\n"


def test_rollback_swaps_back_and_runs_nothing(tree: LiveTree, policy: str, outside: Any) -> None:
    tree.write({"leaf.py": SOURCE.format(1), "web.py": "import leaf\nVALUE = leaf.VALUE\n"})
    tree.install(policy=policy)
    first = tree.module("web"), tree.module("leaf")
    tree.published({"leaf.py": SOURCE.format(2)})
    second = tree.module("web"), tree.module("leaf")
    report = transfuse.rollback()
    assert (report.outcome, ran(report)) == ("rolled back", [])
    assert first == (tree.module("web"), tree.module("leaf"))
    assert first != second
    assert (outside.ran, tree.module("web").VALUE) == ([1, 2], 1)


def test_rollback_to_each_generation_that_is_kept(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"leaf.py": SOURCE.format(0)})
    tree.install(policy=policy, keep=3)
    modules = {transfuse.status().generation: tree.module("leaf")}
    for number in range(1, 5):
        report = tree.published({"leaf.py": SOURCE.format(number)})
        modules[report.generation] = tree.module("leaf")
    status = transfuse.status()
    numbers = sorted(modules)
    assert (numbers[-1], tuple(numbers[1:-1])) == (status.generation, status.kept)
    oldest = numbers[1]
    transfuse.rollback(oldest)
    assert modules[oldest] is tree.module("leaf")
    assert list(range(5)) == outside.ran


def test_rollback_and_back_again(tree: LiveTree, policy: str) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    old = tree.module("leaf")
    newer = tree.published({"leaf.py": "VALUE = 2\n"}).generation
    new = tree.module("leaf")
    served = transfuse.rollback().generation
    assert (old, served) == (tree.module("leaf"), transfuse.status().generation)
    transfuse.rollback(newer)
    assert new is tree.module("leaf")


def test_generation_numbers_only_grow(tree: LiveTree) -> None:
    tree.write({"leaf.py": "VALUE = 0\n"})
    tree.install()
    tree.module("leaf")
    numbers = [transfuse.status().generation]
    for number in range(1, 4):
        numbers.append(tree.published({"leaf.py": f"VALUE = {number}\n"}).generation)
        assert numbers[-1] == tree.update({"leaf.py": "1/0\n"}).generation
        numbers.append(transfuse.rollback().generation)
        assert numbers[-1] == transfuse.status().generation
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_generation_that_is_not_kept(tree: LiveTree, keep: int) -> None:
    tree.write({"leaf.py": "VALUE = 0\n"})
    tree.install(keep=keep)
    tree.module("leaf")
    first = transfuse.status().generation
    for number in range(1, 4):
        tree.published({"leaf.py": f"VALUE = {number}\n"})
    kept = transfuse.status().kept
    assert keep == len(kept)
    for unknown in (first, 99999):
        with pytest.raises(GenerationError) as raised:
            transfuse.rollback(unknown)
        assert all(str(number) in str(raised.value) for number in kept)
    assert (3, kept) == (tree.module("leaf").VALUE, transfuse.status().kept)


def test_nothing_to_go_back_to(tree: LiveTree) -> None:
    with pytest.raises(NotInstalledError):
        transfuse.rollback()
    tree.write({"leaf.py": "VALUE = 0\n"})
    tree.install()
    tree.module("leaf")
    with pytest.raises(GenerationError, match="no earlier generation"):
        transfuse.rollback()


def test_what_was_disposed_of_runs_again(tree: LiveTree, policy: str, outside: Any) -> None:
    source = """
        import outside
        outside.ran.append(("open", {0}))
        VALUE = {0}
        def __dispose__(): outside.ran.append(("close", {0}))
        """
    tree.write({"pool.py": source.format(1), "web.py": "import pool\nVALUE = pool.VALUE\n"})
    tree.install(policy=policy)
    web, pool = tree.module("web"), tree.module("pool")
    tree.published({"pool.py": source.format(2)})
    transfuse.update()
    assert outside.ran == [("open", 1), ("open", 2), ("close", 1)]
    report = transfuse.rollback()
    assert ran(report) == ["pool", "web"]
    assert 1 == tree.module("web").VALUE == tree.module("pool").VALUE
    assert tree.module("pool") is not pool
    assert tree.module("web") is not web
    assert tree.module("web").pool is tree.module("pool")
    transfuse.status()
    assert outside.ran[3:] == [("open", 1), ("close", 2)]


def test_a_rollback_that_fails_changes_nothing(tree: LiveTree, policy: str, outside: Any) -> None:
    source = """
        import outside
        VALUE = {0}
        outside.opened({0})
        def __dispose__(): pass
        """
    outside.opened = outside.ran.append
    tree.write({"pool.py": source.format(1)})
    tree.install(policy=policy)
    tree.module("pool")
    tree.published({"pool.py": source.format(2)})
    pool, served = tree.module("pool"), transfuse.status().generation

    def refuse(_: int) -> None:
        raise ConnectionError("the port is taken")

    outside.opened = refuse
    report = transfuse.rollback()
    assert ("refused", served) == (report.outcome, report.generation)
    assert isinstance(report.error, ConnectionError)
    assert (pool, served) == (tree.module("pool"), transfuse.status().generation)


def test_the_next_edit_applies(tree: LiveTree, policy: str) -> None:
    tree.write({"leaf.py": "VALUE = 1\n", "web.py": "import leaf\nVALUE = leaf.VALUE\n"})
    tree.install(policy=policy)
    tree.module("web")
    tree.published({"leaf.py": "VALUE = 2\n"})
    transfuse.rollback()
    tree.published({"leaf.py": "VALUE = 3\n"})
    assert tree.module("web").VALUE == 3
    transfuse.rollback()
    assert tree.module("web").VALUE == 1


def test_an_edit_back_to_what_is_served_is_no_change(tree: LiveTree, policy: str) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    leaf = tree.module("leaf")
    tree.published({"leaf.py": "VALUE = 2\n"})
    transfuse.rollback()
    assert tree.update({"leaf.py": "VALUE = 1\n"}).outcome == "unchanged"
    assert leaf is tree.module("leaf")


def test_while_watching_a_rollback_is_not_undone_by_itself(tree: LiveTree, policy: str) -> None:
    tree.write({"leaf.py": "VALUE = 1\n"})
    tree.install(policy=policy, watch=True)
    tree.module("leaf")
    tree.write({"leaf.py": "VALUE = 2\n"})
    tree.wait(lambda report: report.outcome == "published")
    transfuse.rollback()
    assert tree.quiet(after=len(tree.reports))
    assert tree.module("leaf").VALUE == 1
    tree.write({"leaf.py": "VALUE = 3\n"})
    tree.wait(lambda report: report.outcome == "published", after=2)
    assert tree.module("leaf").VALUE == 3


def test_deleted_and_created_files_go_back_too(tree: LiveTree, policy: str) -> None:
    tree.write({"shop/__init__.py": "", "shop/old.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("shop.old")
    tree.delete("shop/old.py")
    tree.published({"shop/new.py": "VALUE = 2\n"})
    assert tree.module("shop.new").VALUE == 2
    transfuse.rollback()
    assert tree.module("shop.old").VALUE == tree.module("shop").old.VALUE == 1
    with pytest.raises(ModuleNotFoundError):
        tree.module("shop.new")


def test_units_of_work_keep_their_generation(tree: LiveTree, policy: str) -> None:
    source = "def late():\n    import leaf\n    return leaf.VALUE\n"
    tree.write({"leaf.py": "VALUE = 1\n", "web.py": source})
    tree.install(policy=policy)
    tree.module("leaf"), tree.module("web")
    tree.published({"leaf.py": "VALUE = 2\n"})
    begun, go_on = threading.Event(), threading.Event()

    def unit() -> tuple[int, int]:
        with transfuse.pin():
            first: int = tree.module("web").late()
            begun.set()
            wait(go_on)
            return first, tree.module("web").late()

    worker = Worker(unit)
    wait(begun)
    transfuse.rollback()
    assert tree.module("web").late() == 1
    go_on.set()
    assert worker.result() == (2, 2)


def test_p16_a_rollback_to_what_is_served_again_is_refused(tree: LiveTree) -> None:
    tree.write({"leaf.py": "V = 1\n"})
    tree.install()
    tree.module("leaf")
    left = tree.published({"leaf.py": "V = 2\n"}).generation
    transfuse.rollback()
    assert transfuse.accept().outcome == "published"
    with pytest.raises(GenerationError, match=f"nothing would change: .* as {left} did"):
        transfuse.rollback(left)
    assert tree.module("leaf").V == 2


def test_p16_a_page_takes_a_place_among_the_kept_at_once(tree: LiveTree) -> None:
    """No module runs for it, and it changes the answer all the same."""
    tree.write({"leaf.py": "V = 0\n"})
    text = tree.root / "page.txt"
    text.write_text("0")
    tree.install(keep=2)
    tree.module("leaf")
    assert transfuse.read_text(text) == "0"
    for number in range(1, 5):
        text.write_text(str(number))
        assert transfuse.update().outcome == "published"
        assert len(transfuse.status().kept) == min(number, 2)
    assert transfuse.rollback().outcome == "rolled back"
    assert transfuse.read_text(text) == "3"
