"""P16: what was rolled back stays back, until its file changes again or somebody accepts it."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import CAP, LiveTree, ran
from support.threads import Worker, wait
from transfuse.errors import GenerationError, TransfuseError

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD, BAD = "VALUE = 'good'\n", "VALUE = 'bad'\n"


def shop(tree: LiveTree, **settings: Any) -> None:
    tree.write(
        {
            "val.py": GOOD,
            "other.py": "VALUE = 1\n",
            "web.py": "import val, other\ndef answer(): return val.VALUE, other.VALUE\n",
        }
    )
    tree.install(**settings)
    assert tree.module("web").answer() == ("good", 1)


def path(tree: LiveTree, name: str) -> str:
    return str(tree.root / name)


def test_p16_saving_another_file_does_not_take_it_along(tree: LiveTree, policy: str) -> None:
    shop(tree, policy=policy)
    tree.published({"val.py": BAD})
    report = transfuse.rollback()
    assert report.set_aside == transfuse.status().set_aside == (path(tree, "val.py"),)
    report = tree.published({"other.py": "VALUE = 2\n"})
    assert report.set_aside == (path(tree, "val.py"),)
    assert tree.module("web").answer() == ("good", 2)
    # Nor does asking for an update, or comparing everything.
    assert transfuse.update().outcome == "unchanged"
    assert transfuse.plan().changed == ()
    assert tree.module("web").answer() == ("good", 2)


def test_p16_while_watching_too(tree: LiveTree, policy: str) -> None:
    shop(tree, policy=policy, watch=True)
    tree.write({"val.py": BAD})
    tree.wait(lambda report: report.outcome == "published")
    transfuse.rollback()
    count = len(tree.reports)
    tree.write({"other.py": "VALUE = 2\n"})
    report = tree.wait(lambda report: report.outcome == "published", after=count)
    assert ran(report) == ["other", "web"]
    assert tree.module("web").answer() == ("good", 2)


def test_p16_it_comes_back_when_its_file_changes_again(tree: LiveTree, policy: str) -> None:
    shop(tree, policy=policy)
    tree.published({"val.py": BAD})
    transfuse.rollback()
    report = tree.published({"val.py": "VALUE = 'mended'\n"})
    assert (report.set_aside, tree.module("web").answer()) == ((), ("mended", 1))
    # It was left once. Written again, it is a change like any other.
    tree.published({"val.py": BAD})
    assert tree.module("web").answer() == ("bad", 1)


def test_p16_the_same_content_saved_once_more_is_no_change(tree: LiveTree) -> None:
    shop(tree)
    tree.published({"val.py": BAD})
    transfuse.rollback()
    os.utime(tree.root / "val.py")
    assert tree.update({"val.py": BAD}).outcome == "unchanged"
    assert tree.module("web").answer() == ("good", 1)
    assert transfuse.status().set_aside == (path(tree, "val.py"),)


def test_p16_reverting_the_file_leaves_nothing_set_aside(tree: LiveTree) -> None:
    shop(tree)
    tree.published({"val.py": BAD})
    transfuse.rollback()
    assert tree.update({"val.py": GOOD}).outcome == "unchanged"
    assert transfuse.status().set_aside == ()


def test_p16_accept_takes_what_was_left(tree: LiveTree, policy: str) -> None:
    shop(tree, policy=policy)
    tree.published({"val.py": BAD, "other.py": "VALUE = 2\n"})
    transfuse.rollback()
    report = transfuse.accept(tree.root / "other.py")
    assert (report.outcome, report.by) == ("published", "accept")
    assert tree.module("web").answer() == ("good", 2)
    assert transfuse.accept().set_aside == ()
    assert tree.module("web").answer() == ("bad", 2)
    assert transfuse.accept().outcome == "unchanged"
    with pytest.raises(TransfuseError, match=r"val\.py is not set aside; nothing is"):
        transfuse.accept(tree.root / "val.py")


def test_p16_what_is_accepted_and_refused_stays_set_aside(tree: LiveTree) -> None:
    shop(tree)
    flag = tree.root.parent / "flag"
    fails_later = f"import os\nVALUE = 'bad'\nif os.path.exists({str(flag)!r}): 1 / 0\n"
    tree.published({"val.py": fails_later})
    transfuse.rollback()
    flag.touch()
    assert transfuse.accept().outcome == "refused"
    assert transfuse.status().set_aside == (path(tree, "val.py"),)
    tree.published({"other.py": "VALUE = 2\n"})
    assert tree.module("web").answer() == ("good", 2)


def test_p16_files_that_were_created_and_deleted_stay_back(tree: LiveTree, policy: str) -> None:
    """Whatever can import it, and though `keep` does not know the generation any more."""
    shop(tree, policy=policy, keep=1)
    answer = "def answer():\n    {}\n    return val.VALUE, other.VALUE, new\n"
    fallback = "try: import new\n    except ImportError: new = None"
    tree.published({"web.py": "import val, other\n" + answer.format(fallback)})
    assert tree.module("web").answer() == ("good", 1, None)
    tree.published({"new.py": "VALUE = 3\n", "val.py": BAD})
    assert tree.module("web").answer()[2] is not None
    transfuse.rollback()
    for number in range(2, 5):
        tree.published({"other.py": f"VALUE = {number}\n"})
        assert tree.module("web").answer() == ("good", number, None)
    assert transfuse.status().set_aside == (path(tree, "new.py"), path(tree, "val.py"))
    transfuse.accept()
    assert tree.module("web").answer()[:2] == ("bad", 4)
    assert tree.module("web").answer()[2] is not None
    tree.delete("new.py")
    tree.published()
    transfuse.rollback()
    assert tree.module("web").answer()[2] is not None
    tree.published({"other.py": "VALUE = 5\n"})
    assert tree.module("web").answer()[2] is not None


def test_p16_a_whole_release_stays_back(tree: LiveTree) -> None:
    """A link is turned: all events are taken together, and everything is compared."""
    for number in (1, 2):
        tree.write({f"releases/{number}/val.py": f"VALUE = {number}\n"})
        tree.write({f"releases/{number}/other.py": f"VALUE = {number}\n"})
    live = tree.root / "current"
    live.symlink_to(tree.root / "releases/1")
    transfuse.install(roots=[live], watch=False)
    assert tree.module("val").VALUE == tree.module("other").VALUE == 1
    turn(live, tree.root / "releases/2")
    report = transfuse.update()
    assert (report.outcome, tree.module("val").VALUE) == ("published", 2)
    transfuse.rollback()
    (tree.root / "releases/2/other.py").write_text("VALUE = 3\n", encoding="utf-8")
    assert transfuse.update().outcome == "published"
    assert (tree.module("val").VALUE, tree.module("other").VALUE) == (1, 3)
    assert transfuse.status().set_aside == (str(live / "val.py"),)


def turn(link: Any, to: Any) -> None:
    other = link.with_suffix(".new")
    other.symlink_to(to)
    os.replace(other, link)


def test_p16_four_saves_that_run_nothing_are_nothing_to_go_back_to(
    tree: LiveTree, policy: str
) -> None:
    shop(tree, policy=policy, keep=3)
    good = transfuse.status().generation
    tree.published({"val.py": BAD})
    for number in range(4):
        assert ran(tree.published({f"unused{number}.py": "VALUE = 1\n"})) == []
    assert transfuse.status().kept == (good,)
    report = transfuse.rollback()
    assert report.back_to is not None
    assert report.back_to[0] == good
    assert tree.module("web").answer() == ("good", 1)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_p16_saves_that_run_nothing_take_no_place(tree: LiveTree, keep: int) -> None:
    shop(tree, keep=keep)
    tree.published({"val.py": BAD})
    kept = transfuse.status().kept
    for number in range(5):
        tree.published({"unused.py": f"VALUE = {number}\n"})
        assert transfuse.status().kept == kept


def test_p16_a_save_that_takes_effect_later_is_something_to_go_back_from(
    tree: LiveTree, policy: str
) -> None:
    """No module runs for it; the first request that imports it answers otherwise."""
    tree.write(
        {"late.py": GOOD, "web.py": "def answer():\n    import late\n    return late.VALUE\n"}
    )
    tree.install(policy=policy)
    tree.module("web")
    first = transfuse.status().generation
    assert ran(tree.published({"late.py": BAD})) == []
    assert transfuse.status().kept == ()
    assert tree.module("web").answer() == "bad"
    assert transfuse.status().kept == (first,)
    transfuse.rollback()
    assert tree.module("web").answer() == "good"


def test_p16_a_second_rollback_goes_further_back(tree: LiveTree, policy: str) -> None:
    """What was left is no place to go back to, unless it is named."""
    shop(tree, policy=policy)
    first = transfuse.status().generation
    tree.published({"val.py": "VALUE = 'middle'\n"})
    bad = tree.published({"val.py": BAD}).generation
    assert transfuse.rollback().outcome == "rolled back"
    assert tree.module("web").answer() == ("middle", 1)
    report = transfuse.rollback()
    assert report.back_to is not None
    assert (report.back_to[0], tree.module("web").answer()) == (first, ("good", 1))
    with pytest.raises(GenerationError, match=f"no earlier generation .* --to: .*{bad}"):
        transfuse.rollback()
    transfuse.rollback(bad)
    assert tree.module("web").answer() == ("bad", 1)
    assert transfuse.status().set_aside == ()


def test_p16_it_is_refused_where_nothing_would_change(tree: LiveTree) -> None:
    shop(tree)
    first = transfuse.status().generation
    tree.published({"val.py": BAD})
    served = transfuse.rollback().generation
    for number in (first, served):
        with pytest.raises(GenerationError, match=f"nothing would change: generation {served} is"):
            transfuse.rollback(number)
    assert transfuse.status().generation == served


def test_p16_a_dry_run_only_tells(tree: LiveTree, caplog: pytest.LogCaptureFixture) -> None:
    shop(tree)
    first = transfuse.status().generation
    tree.published({"val.py": BAD})
    caplog.set_level(logging.INFO, "transfuse")
    caplog.clear()
    report = transfuse.rollback(dry_run=True)
    assert report.back_to is not None
    assert (report.outcome, report.back_to[0]) == ("planned", first)
    assert [change.path for change in report.changed] == [path(tree, "val.py")]
    assert (tree.module("web").answer(), caplog.text) == (("bad", 1), "")
    assert transfuse.status().set_aside == ()


def test_p16_a_refused_edit_before_it_is_left_as_well(tree: LiveTree, policy: str) -> None:
    """An operator at night: a bad edit, a worse one, a rollback, another save."""
    shop(tree, policy=policy)
    tree.published({"val.py": BAD})
    assert tree.update({"val.py": "1 / 0\n"}).outcome == "refused"
    transfuse.rollback()
    tree.published({"other.py": "VALUE = 2\n"})
    assert tree.module("web").answer() == ("good", 2)


def test_p16_while_an_update_is_staged_it_refers_to_what_is_served(
    tree: LiveTree, outside: Any
) -> None:
    """Nothing of the update that is under way is served, though no file was saved since."""
    outside.begun, outside.go = threading.Event(), threading.Event()
    shop(tree, watch=True)
    tree.write({"val.py": BAD})
    tree.wait(lambda report: report.outcome == "published")
    tree.write(
        {"val.py": "import outside\noutside.begun.set()\noutside.go.wait(20)\nVALUE = 'worse'\n"}
    )
    wait(outside.begun)
    tree.write({"other.py": "VALUE = 2\n"})
    back = Worker(transfuse.rollback)
    outside.go.set()
    assert back.result().outcome == "rolled back"
    count = len(tree.reports)
    assert tree.module("web").answer()[0] == "good"
    assert tree.quiet(after=count, seconds=1.0) or tree.module("web").answer()[0] == "good"
    tree.write({"unused.py": ""})
    tree.wait(lambda report: report.outcome == "published", after=count)
    assert tree.module("web").answer()[0] == "good"


def test_p16_rollbacks_that_are_asked_for_twice_at_once_go_back_once(tree: LiveTree) -> None:
    shop(tree)
    tree.published({"val.py": "VALUE = 'middle'\n"})
    tree.published({"val.py": BAD})
    gate = threading.Barrier(4)

    def once() -> str:
        gate.wait(CAP)
        try:
            return transfuse.rollback().outcome
        except GenerationError as error:
            return str(error)

    outcomes = sorted(worker.result() for worker in [Worker(once) for _ in range(4)])
    assert outcomes[-1] == "rolled back"
    # Those that came while the first was under way refer to the same generation.
    assert tree.module("web").answer()[0] in ("middle", "good")
    assert all("nothing would change" in each for each in outcomes[:-1] if each != "rolled back")


def until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + CAP
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)
