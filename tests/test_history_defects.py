"""What went wrong in mod_python's importer, measured (HISTORY.md), and what it did right."""

from __future__ import annotations

import os
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
import transfuse
from conftest import CAP, Tree, ran
from crew import Worker, together, wait

# Defects. None of these may be true here.


def test_defect_200_new_files_each_asked_for_by_16_threads_run_once(
    tree: Tree, outside: Any
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
        assert 1 == len(same), name
        assert name == getattr(asked[0][number], "VALUE", None)


def test_defect_200_files_created_while_it_runs_are_loaded_once_each(
    tree: Tree, outside: Any
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
    tree: Tree, policy: str, outside: Any
) -> None:
    child = "import outside\noutside.ran.append('child')\nVALUE = {}\n"
    tree.write({
        "child.py": child.format(1),
        "parent.py": """
            import outside, child
            outside.ran.append("parent")
            VALUE = child.VALUE
            """,
    })
    tree.install(policy=policy)
    assert tree.module("parent").VALUE == 1
    outside.ran.clear()
    tree.write({"child.py": child.format(2)})

    def ask(_: int) -> int:
        transfuse.update()
        value: int = tree.module("parent").VALUE
        return value

    assert [2] * 16 == together(16, ask)
    assert ["child", "parent"] == outside.ran


def test_defect_a_deadlock_without_a_cycle(
    tree: Tree, outside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdlib = "wave"
    monkeypatch.delitem(sys.modules, stdlib, raising=False)
    tree.write({
        "p.py": "import outside\noutside.in_p()\nimport c\nVALUE = c.VALUE\n",
        "c.py": f"import outside\noutside.in_c()\nimport {stdlib}\nVALUE = 1\n",
    })
    both = threading.Barrier(2)
    outside.in_p = outside.in_c = lambda: both.wait(CAP)
    tree.install()
    asked = together(2, lambda number: tree.module("pc"[number]).VALUE)
    assert [1, 1] == asked


CYCLE = """
    import outside
    outside.ran.append(__name__)
    outside.meet()
    import {1} as following
    VALUE = {0!r}
    def other(): return following.VALUE
    """


def test_defect_a_cycle_entered_from_both_ends_ends(tree: Tree, outside: Any) -> None:
    names = ("left", "right")
    tree.write({f"{a}.py": CYCLE.format(a, b) for a, b in (names, names[::-1])})
    both = threading.Barrier(2)
    outside.meet = lambda: both.wait(CAP)
    tree.install()
    asked = together(2, lambda number: tree.module(names[number]))
    assert ["left", "right"] == [module.VALUE for module in asked]
    assert ["right", "left"] == [module.other() for module in asked]
    assert ["left", "right"] == sorted(outside.ran)


def test_defect_who_enters_a_cycle_from_an_end_gets_no_half_of_it(
    tree: Tree, outside: Any
) -> None:
    names = ("left", "right")
    tree.write({f"{a}.py": CYCLE.format(a, b) for a, b in (names, names[::-1])})
    both = threading.Barrier(2)
    outside.meet = lambda: both.wait(CAP)
    tree.install()
    assert ["right", "left"] == together(2, lambda number: tree.module(names[number]).other())


def test_defect_many_enter_a_long_cycle_everywhere_and_get_the_whole(
    tree: Tree, outside: Any
) -> None:
    count = 6
    names = [f"ring{number}" for number in range(count)]
    tree.write({f"{a}.py": CYCLE.format(a, b) for a, b in zip(names, names[1:] + names[:1])})
    outside.meet = lambda: None
    tree.install()
    asked = together(24, lambda number: tree.module(names[number % count]).other())
    assert [names[(number + 1) % count] for number in range(24)] == asked
    assert names == sorted(outside.ran)


def test_defect_a_slow_body_holds_up_nobody_else(tree: Tree, outside: Any) -> None:
    tree.write({
        "slow.py": "import outside\noutside.begun.set()\noutside.go_on.wait(20)\nVALUE = 1\n",
        "quick.py": "VALUE = 2\n",
    })
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install()
    slow = Worker(lambda: tree.module("slow").VALUE)
    wait(outside.begun)
    assert Worker(lambda: tree.module("quick").VALUE).result() == 2
    assert slow.running
    outside.go_on.set()
    assert slow.result() == 1


def test_defect_a_slow_update_holds_up_no_load_and_no_request(
    tree: Tree, policy: str, outside: Any
) -> None:
    tree.write({"slow.py": "VALUE = 1\n", "quick.py": "VALUE = 2\n"})
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy)
    tree.module("slow")
    tree.write({
        "slow.py": "import outside\noutside.begun.set()\noutside.go_on.wait(20)\nVALUE = 3\n"
    })
    update = Worker(transfuse.update)
    wait(outside.begun)
    assert Worker(lambda: tree.module("quick").VALUE).result() == 2
    assert Worker(lambda: tree.module("slow").VALUE).result() == 1
    assert update.running
    outside.go_on.set()
    assert update.result().outcome == "published"
    assert tree.module("slow").VALUE == 3


def test_defect_a_load_outside_a_request(tree: Tree) -> None:
    tree.write({"job.py": "VALUE = 1\n", "late.py": "import job\nVALUE = job.VALUE\n"})
    tree.install()
    assert tree.module("job").VALUE == 1
    assert Worker(lambda: tree.module("late").VALUE).result() == 1


def test_defect_a_mutual_cycle_is_not_updated_for_ever(
    tree: Tree, policy: str, outside: Any
) -> None:
    source = "import outside, {1}\noutside.ran.append('{0}')\nVALUE = {2}\n"
    tree.write({"a.py": source.format("a", "b", 1), "b.py": source.format("b", "a", 1)})
    tree.install(policy=policy)
    tree.module("a")
    tree.published({"a.py": source.format("a", "b", 2)})
    assert ["a", "a", "b", "b"] == sorted(outside.ran)
    for _ in range(5):
        assert transfuse.update().outcome == "unchanged"
        assert (2, 1) == (tree.module("a").VALUE, tree.module("b").VALUE)
    assert len(outside.ran) == 4


@pytest.mark.parametrize("watch", [False, True])
def test_defect_a_change_of_content_only_is_seen(tree: Tree, policy: str, watch: bool) -> None:
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


def test_defect_an_older_file_put_back_is_seen(tree: Tree, policy: str) -> None:
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
    tree: Tree, policy: str
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


# Behaviour worth keeping.


def test_kept_asked_twice_it_is_the_same_object(tree: Tree) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 3\n"})
    tree.install()
    first = tree.module("shop.prices")
    assert first is tree.module("shop.prices")
    assert first is tree.module("shop").prices
    assert first is transfuse.import_module(tree.root / "shop" / "prices.py")


def test_kept_a_changed_parent_alone_keeps_the_same_child(tree: Tree, policy: str) -> None:
    parent = "import child\nVALUE = {}\nCHILD = id(child)\n"
    tree.write({"child.py": "VALUE = 1\n", "parent.py": parent.format(1)})
    tree.install(policy=policy)
    tree.module("parent")
    child = tree.module("child")
    report = tree.published({"parent.py": parent.format(2)})
    assert ["parent"] == ran(report)
    assert child is tree.module("child")
    assert id(child) == tree.module("parent").CHILD


@pytest.mark.parametrize("how", ["time", "written again", "moved over"])
def test_kept_a_file_that_is_only_touched_is_not_updated(
    tree: Tree, policy: str, outside: Any, how: str
) -> None:
    source = "import outside\noutside.ran.append(1)\nTEA = 3\n"
    tree.write({"prices.py": source})
    tree.install(policy=policy)
    prices = tree.module("prices")
    before = transfuse.status().generation
    if how == "time":
        os.utime(tree.root / "prices.py")
    elif how == "written again":
        tree.write({"prices.py": source})
    else:
        tree.write({"other.txt": source})
        os.replace(tree.root / "other.txt", tree.root / "prices.py")
    assert transfuse.update().outcome == "unchanged"
    assert prices is tree.module("prices")
    assert ([1], before) == (outside.ran, transfuse.status().generation)


def test_kept_a_failed_load_is_tried_again_only_after_a_change(
    tree: Tree, policy: str, outside: Any
) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(policy=policy, watch=True)
    tree.module("prices")
    tree.write({"prices.py": "import outside\noutside.ran.append('tried')\n1/0\n"})
    tree.wait(lambda report: report.outcome == "refused")
    assert ["tried"] == outside.ran
    seen = len(tree.reports)
    os.utime(tree.root / "prices.py")
    assert tree.quiet(after=seen)
    assert (["tried"], 3) == (outside.ran, tree.module("prices").TEA)
    tree.write({"prices.py": "import outside\noutside.ran.append('again')\nTEA = 4\n"})
    tree.wait(lambda report: report.outcome == "published", after=seen)
    assert ["tried", "again"] == outside.ran
    assert tree.module("prices").TEA == 4


def test_kept_the_last_good_state_is_there_for_the_load_that_succeeds(tree: Tree) -> None:
    source = """
        import threading
        __preserve__ = ["lock"]
        lock = threading.Lock()
        visits = globals().get("visits", [])
        visits.append({})
        {}
        """
    tree.write({"prices.py": source.format(1, "")})
    tree.install()
    good = tree.module("prices")
    assert tree.update({"prices.py": source.format(2, "1/0")}).outcome == "refused"
    assert tree.update({"prices.py": source.format(3, "visits = None; (")}).outcome == "refused"
    assert good is tree.module("prices")
    tree.published({"prices.py": source.format(4, "")})
    now = tree.module("prices")
    assert now.lock is good.lock
    assert now.visits is good.visits
    # What the refused body did to a carried object is done: the object is shared.
    assert [1, 2, 4] == now.visits


def test_kept_a_first_load_that_failed_poisons_nothing(tree: Tree) -> None:
    tree.write({
        "prices.py": "import half\n",
        "half.py": "VALUE = 1\nraise KeyError('not yet')\n",
    })
    tree.install()
    for _ in range(2):
        with pytest.raises(KeyError, match="not yet"):
            tree.module("prices")
        assert {"prices", "half"}.isdisjoint(sys.modules)
    tree.update({"half.py": "VALUE = 2\n"})
    assert tree.module("prices").half.VALUE == 2


def test_kept_a_handler_blocked_in_old_code_resumes_with_its_helpers(
    tree: Tree, policy: str, outside: Any
) -> None:
    handler = """
        import outside, helpers
        WHO = "handler {0}"
        def handle():
            outside.begun.set()
            outside.go_on.wait(20)
            return WHO, helpers.who(), local()
        def local(): return "local {0}"
        """
    tree.write({"handler.py": handler.format(1), "helpers.py": "def who(): return 'helpers 1'\n"})
    outside.begun, outside.go_on = threading.Event(), threading.Event()
    tree.install(policy=policy)
    blocked = Worker(tree.module("handler").handle)
    wait(outside.begun)
    tree.published({
        "handler.py": handler.format(2),
        "helpers.py": "def who(): return 'helpers 2'\n",
    })
    outside.go_on.set()
    assert ("handler 1", "helpers 1", "local 1") == blocked.result()
    assert ("handler 2", "helpers 2", "local 2") == tree.module("handler").handle()


def test_kept_updates_can_be_off_and_one_call_still_updates(tree: Tree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(watch=False)
    tree.module("prices")
    tree.write({"prices.py": "TEA = 4\n"})
    planned = transfuse.plan()
    assert ["prices"] == [step.name for step in planned.ran]
    assert (3, []) == (tree.module("prices").TEA, tree.reports)
    assert transfuse.update().outcome == "published"
    assert tree.module("prices").TEA == 4
