"""The numbered faults of earlier reloaders: Transfuse has none of them (docs/history.md).

A test's name begins with the number of its row, or of its rows.
"""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from conftest import ran
from support.threads import Worker, together

if TYPE_CHECKING:
    from conftest import LiveTree


def test_i1_i2_i3_an_update_is_logged_and_a_first_import_is_not_mistaken_for_one(
    tree: LiveTree, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="transfuse")
    tree.write({"prices.py": "TEA = 3\n", "web.py": "import prices\n"})
    tree.install()
    tree.module("web")
    assert caplog.messages == []
    caplog.set_level(logging.DEBUG, logger="transfuse")
    tree.write({"late.py": ""})
    tree.module("late")
    assert caplog.messages == [f"loaded late from {tree.root / 'late.py'} for generation 1"]
    caplog.clear()
    caplog.set_level(logging.INFO, logger="transfuse")
    tree.published({"prices.py": "TEA = 4\n"})
    (line,) = caplog.messages
    assert line.startswith("updated in ")
    assert "prices.py changed; ran prices, web (imports prices)" in line
    caplog.clear()
    tree.update({"prices.py": "TEA = 1/0\n"})
    # The log has the traceback; a client of the server gets the old answer.
    assert "ZeroDivisionError" in caplog.messages[0]
    assert tree.module("web").prices.TEA == 4


def test_i4_threads_that_ask_at_once_get_one_module(tree: LiveTree, outside: Any) -> None:
    tree.write({"prices.py": "import outside\noutside.ran.append(1)\nTEA = object()\n"})
    tree.install()
    found = together(16, lambda _: tree.module("prices").TEA)
    assert (len(set(found)), outside.ran) == (1, [1])


def test_i5_m8_times_decide_nothing(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install()
    tree.module("prices")
    file = tree.root / "prices.py"
    for tea, time in ((4, 1_000_000_000), (5, 4_000_000_000), (6, 1_000_000_000)):
        file.write_text(f"TEA = {tea}\n")
        os.utime(file, (time, time))
        tree.published()
        assert tree.module("prices").TEA == tea


def test_i6_a_submodule_is_bound_on_its_package(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "", "shop/prices.py": "TEA = 3\n", "web.py": "import shop\n"})
    tree.install()
    web = tree.module("web")
    tree.module("shop.prices")
    assert web.shop.prices.TEA == 3
    tree.published({"shop/prices.py": "TEA = 4\n"})
    assert web.shop.prices.TEA == 4


def test_i7_one_switch_turns_automatic_updates_off(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(watch=False)
    assert transfuse.status().watching == "off"
    assert tree.module("prices").TEA == 3
    tree.write({"prices.py": "TEA = 4\n"})
    assert tree.quiet(after=0)
    assert tree.module("prices").TEA == 3
    tree.published()
    assert tree.module("prices").TEA == 4


def test_i7_and_one_freezes_what_is_loaded(tree: LiveTree) -> None:
    tree.write({"prices.py": "TEA = 3\n"})
    tree.install(watch=True, policy="never")
    tree.module("prices")
    tree.write({"prices.py": "TEA = 4\n"})
    report = tree.wait(lambda report: bool(report.restart))
    assert [(each.name, each.code) for each in report.restart] == [("prices", "never-policy")]
    assert tree.module("prices").TEA == 3


def test_i8_a_changed_child_makes_its_parents_current(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "leaf.py": "VALUE = 1\n",
            "middle.py": "import leaf\nTWICE = leaf.VALUE * 2\n",
            "top.py": "from middle import TWICE\nFOUR = TWICE * 2\n",
        }
    )
    tree.install(policy=policy)
    tree.module("top")
    report = tree.published({"leaf.py": "VALUE = 10\n"})
    assert (ran(report), tree.module("top").FOUR) == (["leaf", "middle", "top"], 40)


def test_i9_m2_every_way_of_asking_finds_one_copy(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/prices.py": "import outside\noutside.ran.append(__name__)\n",
            "web.py": "import shop.prices as a\nfrom shop import prices as b\n",
        }
    )
    tree.install()
    web, by_path = tree.module("web"), transfuse.import_module(tree.root / "shop" / "prices.py")
    copies = [web.a, web.b, by_path, transfuse.import_module("shop.prices"), web.a]
    assert len({id(vars(each)) for each in copies}) == 1
    assert outside.ran == ["shop.prices"]


def test_i10_what_was_taken_copied_or_computed_is_current(tree: LiveTree, policy: str) -> None:
    tree.write(
        {
            "conf.py": "RATE = 10\nTABLE = {'tea': 1}\nclass Base:\n    tax = 10\n",
            "web.py": "from conf import RATE, TABLE, Base\nHALF = RATE // 2\nCOPY = dict(TABLE)\n"
            "class Shop(Base): pass\ndef default(rate=RATE): return rate\n",
        }
    )
    tree.install(policy=policy)
    tree.module("web")
    tree.published(
        {"conf.py": "RATE = 20\nTABLE = {'tea': 2}\nclass Base:\n    tax = 20\n"},
    )
    web = tree.module("web")
    taken = (web.RATE, web.HALF, web.COPY, web.Shop.tax, web.default())
    assert taken == (20, 10, {"tea": 2}, 20, 20)


def test_i11_modules_of_a_package_are_updated_one_by_one(tree: LiveTree, policy: str) -> None:
    tree.write({f"shop/{name}.py": "N = 1\n" for name in ("__init__", "prices", "tax")})
    tree.install(policy=policy)
    tax = tree.module("shop.tax")
    tree.module("shop.prices")
    assert ran(tree.published({"shop/prices.py": "N = 2\n"})) == ["shop.prices"]
    assert ran(tree.published({"shop/__init__.py": "N = 2\n"})) == ["shop"]
    assert (tree.module("shop").N, tree.module("shop").prices.N) == (2, 2)
    assert tax is tree.module("shop.tax")


def test_i12_m4_pools_are_carried_and_nothing_is_written_over_under_running_threads(
    tree: LiveTree, outside: Any
) -> None:
    source = (
        "import outside, threading\n"
        "__preserve__ = ['pool']\n"
        "pool = outside.ran.append('opened') or object()\n"
        "go, at = threading.Event(), threading.Event()\n"
        "N = {0}\n"
        "def work():\n    first = N\n    at.set()\n    go.wait(20)\n    return first, N, pool\n"
    )
    tree.write({"db.py": source.format(1)})
    tree.install(policy="fresh")
    old = tree.module("db")
    go, at, pool = old.go, old.at, old.pool

    def unit() -> tuple[int, int, object]:
        with transfuse.pin():
            result: tuple[int, int, object] = tree.module("db").work()
            return result

    worker = Worker(unit)
    assert at.wait(20)
    tree.published({"db.py": source.format(2)})
    assert (tree.module("db").N, tree.module("db").pool) == (2, pool)
    go.set()
    assert worker.result() == (1, 1, pool)
    assert outside.ran == ["opened"]


def test_i13_what_left_the_source_is_gone(tree: LiveTree, policy: str) -> None:
    tree.write({"web.py": "GONE = 1\ndef gone(): pass\nclass Gone: pass\nHERE = 1\n"})
    tree.install(policy=policy)
    tree.module("web")
    tree.published({"web.py": "HERE = 1\n"})
    assert [name for name in dir(tree.module("web")) if name.lower() in ("gone", "here")] == [
        "HERE"
    ]


def test_t3_two_threads_make_one_pool(tree: LiveTree, outside: Any) -> None:
    tree.write({"db.py": "import outside\noutside.ran.append('pool')\npool = object()\n"})
    tree.install()
    pools = together(2, lambda _: tree.module("db").pool)
    assert (len(set(pools)), outside.ran) == (1, ["pool"])


def test_c1_c6_c7_what_is_managed_is_said_and_siblings_are_found(
    tree: LiveTree, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "theirs.py").write_text("N = 1\n")
    monkeypatch.syspath_prepend(str(foreign))
    tree.write({"shop/__init__.py": "", "shop/deep/__init__.py": "", "shop/deep/tax.py": "N = 1\n"})
    tree.write({"shop/deep/web.py": "from . import tax\nfrom .tax import N\nimport theirs\n"})
    tree.install()
    tree.module("shop.deep.web")
    assert transfuse.status().roots == (str(tree.root),)
    (foreign / "theirs.py").write_text("N = 2\n")
    tree.published({"shop/deep/tax.py": "N = 2\n"})
    web = tree.module("shop.deep.web")
    assert (web.N, web.tax.N, web.theirs.N) == (2, 2, 1)


def test_c8_resources_have_somebody_who_closes_them(tree: LiveTree, outside: Any) -> None:
    source = "import outside\ndef __dispose__(): outside.ran.append('closed {0}')\n"
    tree.write({"db.py": source.format(1)})
    tree.install()
    tree.module("db")
    with transfuse.pin():
        tree.published({"db.py": source.format(2)})
        assert outside.ran == []
    transfuse.update()
    assert outside.ran == ["closed 1"]


def test_c9_the_path_does_not_grow(tree: LiveTree) -> None:
    tree.write({"web.py": "N = 0\n"})
    tree.install()
    tree.module("web")
    before = list(sys.path)
    for number in range(1, 20):
        tree.published({"web.py": f"N = {number}\n"})
    assert before == sys.path
    assert sys.path.count(str(tree.root)) == 1


def test_c10_a_failed_load_poisons_nothing(tree: LiveTree) -> None:
    tree.write({"web.py": "import prices\n", "prices.py": "raise KeyError('tea')\n"})
    tree.install()
    for _ in range(2):
        with pytest.raises(KeyError, match="tea"):
            tree.module("web")
    assert {"web", "prices"}.isdisjoint(sys.modules)
    tree.update({"prices.py": "TEA = 3\n"})
    assert tree.module("web").prices.TEA == 3


def test_m1_m3_imports_of_the_entry_are_live_and_what_they_add_elsewhere_is_there_once(
    tree: LiveTree, policy: str
) -> None:
    tree.write(
        {
            "registry.py": "VIEWS = []\n",
            "views.py": "import registry\nregistry.VIEWS.append('old')\n",
            "entry.py": "import registry, views\ndef ask(): return registry.VIEWS\n",
        }
    )
    tree.install(policy=policy)
    assert tree.module("entry").ask() == ["old"]
    for word in ("new", "newer"):
        tree.published({"views.py": f"import registry\nregistry.VIEWS.append({word!r})\n"})
        assert tree.module("entry").ask() == [word]


def test_m5_objects_can_be_pickled(tree: LiveTree) -> None:
    tree.write({"shop/__init__.py": "", "shop/models.py": "class Tea:\n    cups = 1\n"})
    tree.install()
    dumped = pickle.dumps(tree.module("shop.models").Tea())
    tree.published({"shop/models.py": "class Tea:\n    cups = 2\n"})
    assert pickle.loads(dumped).cups == 2
    assert pickle.loads(pickle.dumps(tree.module("shop.models").Tea())).cups == 2


def test_m7_a_deploy_that_is_half_copied_is_not_loaded_half(tree: LiveTree) -> None:
    tree.write({"web.py": "import prices\nTEA = prices.TEA\n", "prices.py": "TEA = 1\n"})
    tree.install(watch=True)
    tree.module("web")
    # The half that came first cannot live without the other.
    tree.write({"web.py": "import prices\nTEA, JAM = prices.TEA, prices.JAM\n"})
    tree.wait(lambda report: report.outcome == "refused")
    web = tree.module("web")
    assert (web.TEA, hasattr(web, "JAM")) == (1, False)
    seen = len(tree.reports)
    tree.write({"prices.py": "TEA, JAM = 2, 3\n"})
    tree.wait(lambda report: report.outcome == "published", after=seen)
    web = tree.module("web")
    assert (web.TEA, web.JAM) == (2, 3)


def test_m7_a_link_that_is_turned_brings_all_at_once(tree: LiveTree) -> None:
    for release in (1, 2):
        tree.write({f"releases/{release}/{name}.py": f"N = {release}\n" for name in ("web", "tax")})
    current = tree.root / "current"
    current.symlink_to("releases/1")
    transfuse.install(roots=[current], watch=False)
    assert (tree.module("web").N, tree.module("tax").N) == (1, 1)
    (tree.root / "next").symlink_to("releases/2")
    (tree.root / "next").replace(current)
    report = transfuse.update()
    assert (report.outcome, sorted(ran(report))) == ("published", ["tax", "web"])
    assert (tree.module("web").N, tree.module("tax").N) == (2, 2)
    shutil.rmtree(tree.root / "releases" / "1")
    assert transfuse.update().outcome in ("published", "unchanged")
    assert (tree.module("web").N, tree.module("tax").N) == (2, 2)
