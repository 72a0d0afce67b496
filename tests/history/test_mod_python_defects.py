"""The measured defects of mod_python's importer (HISTORY.md). Transfuse has none of them."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree
from support.threads import Worker, together, wait

if TYPE_CHECKING:
    from types import ModuleType


def test_defect_200_new_files_each_asked_for_by_16_threads_run_once(
    tree: LiveTree, outside: Any
) -> None:
    source = "import outside\noutside.ran.append(__name__)\nVALUE = __name__\n"
    names = [f"new{number}" for number in range(200)]
    tree.write({f"{name}.py": source for name in names})
    tree.install()
    barrier = threading.Barrier(16)

    def ask(_: int) -> list[ModuleType | None]:
        answers: list[ModuleType | None] = []
        for name in names:
            barrier.wait(CAP)
            answers.append(tree.module(name))
        return answers

    asked = together(16, ask)
    assert names == outside.ran
    for number, name in enumerate(names):
        same = {id(answers[number]) for answers in asked}
        assert len(same) == 1, name
        assert name == getattr(asked[0][number], "VALUE", None)


def test_defect_200_files_created_while_it_runs_are_loaded_once_each(
    tree: LiveTree, outside: Any
) -> None:
    tree.install()
    barrier = threading.Barrier(16)
    names = [f"page{number}" for number in range(200)]
    source = "import outside\noutside.ran.append(__name__)\n"
    created = threading.Barrier(16, lambda: tree.write({f"{next(queue)}.py": source}))
    queue = iter(names)

    def ask(number: int) -> None:
        for name in names:
            created.wait(CAP)
            if number == 0:
                transfuse.update()
            barrier.wait(CAP)
            assert tree.module(name) is not None

    together(16, ask)
    assert names == outside.ran


def test_defect_a_child_changes_and_16_threads_ask_for_the_parent(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    child = "import outside\noutside.ran.append('child')\nVALUE = {}\n"
    tree.write(
        {
            "child.py": child.format(1),
            "parent.py": """
            import outside, child
            outside.ran.append("parent")
            VALUE = child.VALUE
            """,
        }
    )
    tree.install(policy=policy)
    assert tree.module("parent").VALUE == 1
    outside.ran.clear()
    tree.write({"child.py": child.format(2)})

    def ask(_: int) -> int:
        transfuse.update()
        value: int = tree.module("parent").VALUE
        return value

    assert together(16, ask) == [2] * 16
    assert outside.ran == ["child", "parent"]


def test_defect_a_deadlock_without_a_cycle(
    tree: LiveTree, outside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdlib = "wave"
    monkeypatch.delitem(sys.modules, stdlib, raising=False)
    tree.write(
        {
            "p.py": "import outside\noutside.in_p()\nimport c\nVALUE = c.VALUE\n",
            "c.py": f"import outside\noutside.in_c()\nimport {stdlib}\nVALUE = 1\n",
        }
    )
    both = threading.Barrier(2)
    outside.in_p = outside.in_c = lambda: both.wait(CAP)
    tree.install()
    asked = together(2, lambda number: tree.module("pc"[number]).VALUE)
    assert asked == [1, 1]


CYCLE = """
    import outside
    outside.ran.append(__name__)
    outside.meet()
    import {1} as following
    VALUE = {0!r}
    def other(): return following.VALUE
    """


def test_defect_a_cycle_entered_from_both_ends_ends(tree: LiveTree, outside: Any) -> None:
    names = ("left", "right")
    tree.write({f"{a}.py": CYCLE.format(a, b) for a, b in (names, names[::-1])})
    both = threading.Barrier(2)
    outside.meet = lambda: both.wait(CAP)
    tree.install()
    asked = together(2, lambda number: tree.module(names[number]))
    assert [module.VALUE for module in asked] == ["left", "right"]
    assert [module.other() for module in asked] == ["right", "left"]
    assert sorted(outside.ran) == ["left", "right"]


def test_defect_who_enters_a_cycle_from_an_end_gets_no_half_of_it(
    tree: LiveTree, outside: Any
) -> None:
    names = ("left", "right")
    tree.write({f"{a}.py": CYCLE.format(a, b) for a, b in (names, names[::-1])})
    both = threading.Barrier(2)
    outside.meet = lambda: both.wait(CAP)
    tree.install()
    assert together(2, lambda number: tree.module(names[number]).other()) == ["right", "left"]


def test_defect_many_enter_a_long_cycle_everywhere_and_get_the_whole(
    tree: LiveTree, outside: Any
) -> None:
    count = 6
    names = [f"ring{number}" for number in range(count)]
    tree.write(
        {f"{a}.py": CYCLE.format(a, b) for a, b in zip(names, names[1:] + names[:1], strict=False)}
    )
    outside.meet = lambda: None
    tree.install()
    asked = together(24, lambda number: tree.module(names[number % count]).other())
    assert [names[(number + 1) % count] for number in range(24)] == asked
    assert names == sorted(outside.ran)


def test_defect_a_slow_body_holds_up_nobody_else(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "slow.py": "import outside\noutside.begun.set()\noutside.go_on.wait(20)\nVALUE = 1\n",
            "quick.py": "VALUE = 2\n",
        }
    )
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install()
    slow = Worker(lambda: tree.module("slow").VALUE)
    wait(outside.begun)
    assert Worker(lambda: tree.module("quick").VALUE).result() == 2
    assert slow.running
    outside.go_on.set()
    assert slow.result() == 1


def test_defect_a_slow_update_holds_up_no_load_and_no_request(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"slow.py": "VALUE = 1\n", "quick.py": "VALUE = 2\n"})
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy)
    tree.module("slow")
    tree.write(
        {"slow.py": "import outside\noutside.begun.set()\noutside.go_on.wait(20)\nVALUE = 3\n"}
    )
    update = Worker(transfuse.update)
    wait(outside.begun)
    assert Worker(lambda: tree.module("quick").VALUE).result() == 2
    assert Worker(lambda: tree.module("slow").VALUE).result() == 1
    assert update.running
    outside.go_on.set()
    assert update.result().outcome == "published"
    assert tree.module("slow").VALUE == 3


def test_defect_a_load_outside_a_request(tree: LiveTree) -> None:
    tree.write({"job.py": "VALUE = 1\n", "late.py": "import job\nVALUE = job.VALUE\n"})
    tree.install()
    assert tree.module("job").VALUE == 1
    assert Worker(lambda: tree.module("late").VALUE).result() == 1


def test_defect_a_mutual_cycle_is_not_updated_for_ever(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    source = "import outside, {1}\noutside.ran.append('{0}')\nVALUE = {2}\n"
    tree.write({"a.py": source.format("a", "b", 1), "b.py": source.format("b", "a", 1)})
    tree.install(policy=policy)
    tree.module("a")
    tree.published({"a.py": source.format("a", "b", 2)})
    assert sorted(outside.ran) == ["a", "a", "b", "b"]
    for _ in range(5):
        assert transfuse.update().outcome == "unchanged"
        assert (tree.module("a").VALUE, tree.module("b").VALUE) == (2, 1)
    assert len(outside.ran) == 4


@pytest.mark.parametrize("watch", [False, True])
def test_defect_a_change_of_content_only_is_seen(tree: LiveTree, policy: str, watch: bool) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy, watch=watch)
    tree.module("prices")
    file = tree.root / "prices.py"
    before = file.stat()
    file.write_text("TEA = 4\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    if watch:
        tree.wait(lambda report: report.outcome == "published")
    else:
        tree.published()
    assert tree.module("prices").TEA == 4


def test_defect_an_older_file_put_back_is_seen(tree: LiveTree, policy: str) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy)
    tree.module("prices")
    old = (tree.root / "prices.py").stat()
    tree.published({"prices.py": "TEA = 40\n"})
    tree.write({"prices.py": "TEA = 3\n"})
    os.utime(tree.root / "prices.py", ns=(old.st_atime_ns, old.st_mtime_ns))
    tree.published()
    assert tree.module("prices").TEA == 3


def test_defect_after_a_broken_edit_old_code_serves_and_it_is_said_each_time(
    tree: LiveTree, policy: str
) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy, watch=True)
    tree.module("prices")
    served = transfuse.status().generation
    for edit in ("TEA = 1/0\n", "TEA = (\n", "raise KeyError('tea')\n"):
        seen = len(tree.reports)
        tree.write({"prices.py": edit})
        report = tree.wait(lambda report: report.outcome == "refused", after=seen)
        assert served == report.generation
        assert "prices.py" in report.traceback
        assert tree.module("prices").TEA == 3
        failing = transfuse.status().failing
        assert failing is not None
        assert failing.traceback == report.traceback
    assert transfuse.status().refused == 3
