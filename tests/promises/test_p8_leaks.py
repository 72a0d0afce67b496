"""P8: what keeps former modules in memory is found by one search, and told by its causes."""

from __future__ import annotations

import functools
import gc
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from transfuse import _core
from transfuse.control import processes, unix_socket
from transfuse.memory import leaks as leaks_module
from transfuse.updates import api
from transfuse.updates.memory_growth import MemoryGrowth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import LiveTree

PATH = __name__
TEA = "class Tea:\n    def pour(self): return Tea\n"
KEPT: list[Any] = []


# What `remembered` returns; a cache does not keep former code that it was called with.
ANSWERS: list[Any] = []


@functools.lru_cache
def remembered(_number: int) -> Any:
    return ANSWERS.pop()


def remember(made: Any) -> None:
    ANSWERS.append(made)
    remembered(remembered.cache_info().currsize)


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(api, "_memory_growth", MemoryGrowth())
    yield
    KEPT.clear()
    remembered.cache_clear()


def pile_up(tree: LiveTree, updates: int, modules: int = 1) -> None:
    """Make updates, each of which leaves former modules in memory that `KEPT` keeps."""
    for number in range(updates):
        # Local, because a function of the module's would leave when a later one is kept.
        source = f"N = {number}\ndef make():\n    return lambda: N\nf = make()\n"
        files = {f"part{part}.py": source for part in range(modules)}
        tree.published(files)
        KEPT.extend(tree.module(f"part{part}").f for part in range(modules))
    tree.published({f"part{part}.py": "N = -1\n" for part in range(modules)})
    gc.collect()


def start(tree: LiveTree, modules: int = 1) -> None:
    tree.write({f"part{part}.py": "N = 0\n" for part in range(modules)})
    tree.install(policy="fresh", keep=0)
    for part in range(modules):
        tree.module(f"part{part}")


def test_p8_modules_are_counted_by_cause(tree: LiveTree) -> None:
    tree.write({"tea.py": TEA, "pot.py": "def pour(): pass\n"})
    tree.install(policy="fresh", keep=0)
    for number in range(3):
        remember(tree.module("tea").Tea)
        KEPT.append({"pour": tree.module("pot").pour})
        tree.published({"tea.py": f"{TEA}# {number}\n"})
    remember(tree.module("pot").pour)
    tree.published({"pot.py": "def pour(): pass\n# 2\n"})
    gc.collect()
    told = [str(cause) for cause in transfuse.leaks().causes]
    assert told == [
        f"the cache of {PATH}.remembered keeps 4 former modules: tea (3), pot",
        f"the global `KEPT` of {PATH} keeps 1 former module: pot, through a dict in a list",
    ]


@pytest.mark.parametrize(
    "keep", ["import tea\n", "import tea\nHANDLERS = [tea.Tea]\ndel tea\n"], ids=["name", "list"]
)
def test_p8_a_former_module_that_another_one_keeps_has_the_cause_of_that_one(
    tree: LiveTree, keep: str
) -> None:
    tree.write({"tea.py": TEA, "web.py": f"{keep}def serve(): pass\n"})
    tree.install(policy="fresh", keep=0)
    KEPT.append(tree.module("web").serve)
    tree.published({"tea.py": f"{TEA}# 2\n"})
    gc.collect()
    (cause,) = transfuse.leaks().causes
    assert cause.what == f"the global `KEPT` of {PATH}"
    assert sorted(cause.modules) == [("tea", 1), ("web", 1)]


def test_p8_what_a_module_and_a_foreign_list_share_is_kept_by_the_foreign_list(
    tree: LiveTree,
) -> None:
    tree.write({"web.py": "def serve(): pass\nHANDLERS = [serve]\n"})
    tree.install(policy="fresh", keep=0)
    KEPT.append({"handlers": tree.module("web").HANDLERS})
    tree.published({"web.py": "N = 2\n"})
    gc.collect()
    (cause,) = transfuse.leaks().causes
    assert (cause.what, cause.modules) == (f"the global `KEPT` of {PATH}", (("web", 1),))


def test_p8_garbage_is_not_told_of_where_a_cause_has_a_name(tree: LiveTree) -> None:
    tree.write({"web.py": "def serve(): pass\n"})
    tree.install(policy="fresh", keep=0)
    serve = tree.module("web").serve
    KEPT.append(serve)
    garbage: dict[str, Any] = {"serve": serve}
    garbage["itself"] = garbage
    del garbage, serve
    tree.published({"web.py": "N = 2\n"})
    (cause,) = transfuse.leaks().causes
    assert cause.what == f"the global `KEPT` of {PATH}"


def test_p8_a_cause_comes_with_what_to_do(tree: LiveTree) -> None:
    start(tree)
    pile_up(tree, 1)
    (cause,) = transfuse.leaks().causes
    assert "__dispose__" in cause.remedy


@pytest.mark.parametrize("updates", [1, 12])
def test_p8_all_modules_are_searched_for_together(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, updates: int
) -> None:
    passes: list[int] = []

    def counted(heap: list[Any], targets: list[Any], seconds: float) -> Any:
        passes.append(len(targets))
        return original(heap, targets, seconds)

    start(tree, modules=3)
    pile_up(tree, updates, modules=3)
    original = _core.referrers
    monkeypatch.setattr(_core, "referrers", counted)
    found = transfuse.leaks()
    assert (found.former, found.causes[0].count) == (3 * updates, 3 * updates)
    # Modules and globals, functions and classes, the parts of these; holders, and a step to a root.
    assert len(passes) <= 6, passes


def test_p8_a_search_that_is_stopped_says_so(tree: LiveTree) -> None:
    start(tree)
    pile_up(tree, 2)
    found = transfuse.leaks(seconds=0.0)
    assert (found.complete, found.former, found.causes) == (False, 2, ())
    first, *_ = found.lines()
    assert "stopped at the limit" in first


def test_p8_the_lines_are_limited_whatever_is_in_memory(tree: LiveTree) -> None:
    modules = 40
    start(tree, modules)
    pile_up(tree, 2, modules)
    holders: list[Any] = [type(f"Holder{index}", (), {"f": f}) for index, f in enumerate(KEPT)]
    KEPT.clear()
    found = transfuse.leaks()
    assert len(found.causes) == 2 * modules
    assert len(found.lines()) <= 24
    assert "70 more causes: --json lists all" in found.lines()
    holders.clear()


def test_p8_what_the_collector_does_not_list_is_found(tree: LiveTree) -> None:
    start(tree)
    box: dict[str, Any] = {"functions": KEPT}
    sys.modules[PATH].__dict__["FROZEN"] = box
    pile_up(tree, 1)
    gc.collect()
    gc.freeze()
    try:
        (cause,) = transfuse.leaks().causes
    finally:
        gc.unfreeze()
        del sys.modules[PATH].__dict__["FROZEN"]
    assert cause.is_named
    assert cause.modules == (("part0", 1),)


def test_p8_a_lazy_object_is_not_evaluated(tree: LiveTree) -> None:
    class Lazy:
        def __init__(self, function: Any) -> None:
            object.__setattr__(self, "held", function)

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"evaluated by {name}")

    start(tree)
    KEPT.append(Lazy(tree.module("part0")))
    tree.published({"part0.py": "N = 1\n"})
    gc.collect()
    (cause,) = transfuse.leaks().causes
    assert "Lazy in a list" in cause.through


def test_p8_no_object_stays_because_it_was_looked_for(tree: LiveTree) -> None:
    start(tree)
    KEPT.append(tree.module("part0").__dict__)
    tree.published({"part0.py": "N = 1\n"})
    for _ in range(3):
        assert transfuse.leaks().former == 1
    KEPT.clear()
    gc.collect()
    assert transfuse.leaks() == leaks_module.Leaks(0, (), (), 0.0, True)
    assert transfuse.leaks().lines() == ["no former module is in memory"]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_p8_the_log_warns_once_of_modules_that_pile_up(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    start(tree)
    pile_up(tree, 12)
    (warning,) = warnings(caplog)
    # The search for a cause has a limit; on a busy machine the second one finds it.
    pattern = (
        r"\d+ modules of former generations are in memory, more after each of the last (4|8)"
        r" updates;"
        rf" the global `KEPT` of {re.escape(PATH)} keeps \d+ former modules: part0 \(\d+\), .*;"
        r" 'transfuse leaks' tells more"
    )
    assert re.fullmatch(pattern, warning), warning


def count_searches(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    searches: list[float] = []
    original: Callable[[float], Any] = leaks_module.try_to_find_leaks

    def counted(seconds: float) -> Any:
        searches.append(seconds)
        return original(seconds)

    monkeypatch.setattr("transfuse.memory.leaks.try_to_find_leaks", counted)
    return searches


def test_p8_nothing_is_searched_while_the_number_stays(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    searches = count_searches(monkeypatch)
    start(tree)
    KEPT.append(tree.module("part0"))
    for number in range(12):
        tree.published({"part0.py": f"N = {number + 1}\n"})
        gc.collect()
    assert (searches, warnings(caplog)) == ([], [])


def test_p8_garbage_is_no_leak(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    searches = count_searches(monkeypatch)
    start(tree)
    gc.collect()
    gc.disable()
    try:
        for number in range(14):
            tree.published({"part0.py": f"N = {number + 1}\ndef f(): pass\n"})
        assert transfuse.status().lingering > 10
    finally:
        gc.enable()
    # After 4 updates, and, as there was nothing but garbage, after 8 more.
    assert (searches, warnings(caplog)) == ([1.0, 1.0], [])


def test_p8_the_command_line_is_told_the_same(
    tree: LiveTree, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    start(tree)
    pile_up(tree, 2)
    gc.collect()
    assert unix_socket.serve("run shop.py")
    try:
        (process,) = processes.processes()
        said = processes.ask(process, "leaks", seconds=10.0)
    finally:
        unix_socket.close()
    assert (said["former"], said["complete"], said["unexplained"]) == (2, True, [])
    assert said["causes"][0]["modules"] == [["part0", 2]]
    assert said["lines"][1].startswith(f"the global `KEPT` of {PATH} keeps 2 former modules")
