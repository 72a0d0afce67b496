"""In which order things happen in an update, and what a failure in each leads to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import LiveTree, ran

if TYPE_CHECKING:
    from transfuse import Report

# Its hooks record themselves in `outside.ran`; {n} is the version, {fail} the code that fails.
SOURCE = """
import outside
outside.ran.append("{name} {n} body")
{imports}
kept = {{"made by": {n}}}
__preserve__ = ["kept"]

def __migrate__(previous):
    outside.ran.append("{name} {n} migrate from " + str(previous["N"]))
    {migrate}

def __dispose__():
    outside.ran.append("{name} {n} dispose")
    {dispose}

N = {n}
"""


def _source(name: str, n: int, imports: str = "", migrate: str = "", dispose: str = "") -> str:
    return SOURCE.format(
        name=name, n=n, imports=imports, migrate=migrate or "pass", dispose=dispose or "pass"
    )


def _shop(tree: LiveTree, **more: str) -> None:
    """Two modules, one importing the other, loaded in their first version."""
    tree.write(
        {"conf.py": _source("conf", 1, **more), "web.py": _source("web", 1, "import conf", **more)}
    )
    tree.install()
    tree.module("web")


def test_the_order_of_everything(tree: LiveTree, outside: Any) -> None:
    _shop(tree)
    outside.ran.clear()
    told: list[str] = []
    stop = transfuse.on_update(lambda report: outside.ran.append(f"told {report.outcome}"))
    with transfuse.pin():
        tree.published({"conf.py": _source("conf", 2)})
        told += outside.ran
    # The pinned unit of work has ended: the next update finds the old generation drained.
    transfuse.update()
    stop()
    assert told == [
        "web 1 body",
        "conf 2 body",
        "conf 2 migrate from 1",
        "web 1 migrate from 1",
        "told published",
    ]
    after = [line for line in outside.ran[len(told) :] if not line.startswith("told")]
    assert sorted(after) == ["conf 1 dispose", "web 1 dispose"]


def _unchanged(tree: LiveTree, before: dict[str, Any], report: Report, word: str) -> None:
    assert (report.outcome, report.generation) == ("refused", 1)
    assert word in report.traceback
    for name, namespace in before.items():
        assert vars(tree.module(name)) == namespace


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        ('__reload__ = "sideways"', "sideways"),
        ("__preserve__ = 5", "__preserve__"),
        ("1 / 0", "ZeroDivisionError"),
        (_source("conf", 2, migrate='raise KeyError("no")'), "KeyError: 'no'"),
        (_source("conf", 2, migrate="raise SystemExit(3)"), "SystemExit"),
    ],
    ids=["policy", "preserve", "body", "migrate", "migrate-exits"],
)
def test_p4_a_failure_before_publishing_refuses(
    tree: LiveTree, outside: Any, conf: str, word: str
) -> None:
    _shop(tree)
    before = {name: dict(vars(tree.module(name))) for name in ("conf", "web")}
    outside.ran.clear()
    _unchanged(tree, before, tree.update({"conf.py": conf}), word)
    # Nothing of what was refused is disposed of, and nothing of what is served.
    assert [line for line in outside.ran if "dispose" in line] == []
    assert ran(tree.published({"conf.py": _source("conf", 3)})) == ["conf", "web"]
    assert tree.module("conf").N == 3


@pytest.mark.usefixtures("outside")
def test_a_migration_that_fails_in_the_importer_refuses_both(tree: LiveTree) -> None:
    _shop(tree)
    before = {name: dict(vars(tree.module(name))) for name in ("conf", "web")}
    report = tree.update(
        {
            "conf.py": _source("conf", 2),
            "web.py": _source("web", 2, "import conf", migrate='raise KeyError("no")'),
        }
    )
    _unchanged(tree, before, report, "KeyError: 'no'")


def test_a_failure_after_publishing_is_logged_and_hurts_nobody(
    tree: LiveTree, outside: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _shop(tree, dispose='raise OSError("cannot close")')
    outside.ran.clear()
    told: list[str] = []

    def breaks(report: Report) -> None:
        raise LookupError(f"a subscriber to {report.outcome}")

    stops = [transfuse.on_update(breaks), transfuse.on_update(lambda r: told.append(r.outcome))]
    with caplog.at_level(logging.ERROR, logger="transfuse"):
        tree.published({"conf.py": _source("conf", 2)})
    for stop in stops:
        stop()
    assert told == ["published"]
    assert sorted(line for line in outside.ran if "dispose" in line) == [
        "conf 1 dispose",
        "web 1 dispose",
    ]
    assert caplog.text.count("cannot close") >= 2
    assert "a subscriber" in caplog.text
    assert tree.module("conf").N == 2


# A value that can be preserved, and its source.


@pytest.mark.parametrize(
    "statement",
    [
        "cache = {}",
        "cache: dict = {}",
        "cache, other = {}, 1",
        "[cache, *others] = [{}, 1, 2]",
        "cache = alias = {}",
        "if True:\n    cache = {}",
        "try:\n    cache = {}\nexcept Exception:\n    cache = None",
        "with open(__file__) as cache: pass\ncache = {}",
        "for cache in [{}]: pass",
        "(cache := {})",
        "def cache(): ...",
        "class cache: ...",
        "import types as cache",
        "global cache\ncache = {}",
    ],
)
def test_p7_whatever_binds_a_preserved_name(tree: LiveTree, statement: str, policy: str) -> None:
    head = '__preserve__ = ["cache"]\n'
    tree.write({"shop.py": f"{head}{statement}\nN = 1\n"})
    tree.install(policy=policy)
    old = tree.module("shop")
    tree.published({"shop.py": f"{head}{statement}\nN = 2\n"})
    new = tree.module("shop")
    assert (new.cache is old.cache, new.N, old.N) == (True, 2, 1)


def test_p7_what_refers_to_classes_of_the_module_stays_as_it_is(
    tree: LiveTree, policy: str
) -> None:
    source = """
    __preserve__ = ["cache"]
    class Item:
        def price(self): return {n}
    cache = {{"a": Item()}}
    def price(sku): return cache[sku].price()
    def __migrate__(previous):
        {migrate}
    """
    tree.write({"shop.py": source.format(n=1, migrate="pass")})
    tree.install(policy=policy)
    old = tree.module("shop")
    item = old.cache["a"]
    tree.published({"shop.py": source.format(n=2, migrate="pass")})
    new = tree.module("shop")
    # The object is carried as it is: it is of the old class, and runs the old code.
    assert (new.cache["a"] is item, new.price("a"), type(item) is new.Item) == (True, 1, False)
    tree.published(
        {"shop.py": source.format(n=3, migrate="cache['a'] = Item()  # made anew, by the new code")}
    )
    assert tree.module("shop").price("a") == 3


def test_settings_by_pattern_the_last_that_matches_wins(tree: LiveTree) -> None:
    source = "n = globals().get('n', 0) + 1\ncache = {{}}\nV = {}\n"
    names = ("shop/legacy/a.py", "shop/legacy/b.py", "shop/web.py")
    tree.write({"shop/__init__.py": "", "shop/legacy/__init__.py": ""})
    tree.write(dict.fromkeys(names, source.format(1)))
    tree.install(
        modules={
            "shop.*": {"preserve": ["cache"]},
            "shop.legacy.*": {"reload": "fresh", "preserve": ["cache"]},
            "shop.legacy.b": {"reload": "never"},
        }
    )
    old = {name: tree.module(name) for name in ("shop.legacy.a", "shop.legacy.b", "shop.web")}
    report = tree.published(dict.fromkeys(names, source.format(2)))
    assert [(each.name, each.code) for each in report.restart] == [
        ("shop.legacy.b", "never-policy")
    ]
    new = {name: tree.module(name) for name in old}
    assert [(module.n, module.V) for module in new.values()] == [(1, 2), (1, 1), (2, 2)]
    assert all(new[name].cache is old[name].cache for name in old)
