"""Policies and special variables (DESIGN section 6)."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

import transfuse
from conftest import LiveTree, ran
from support.threads import Worker, together, wait

# overlay and fresh


def test_overlay_carries_data_and_leaves_code_behind(tree: LiveTree) -> None:
    tree.write(
        {
            "helpers.py": "class Tool: pass\ndef help(): return 1\n",
            "prices.py": """
            import helpers
            count = globals().get("count", 0) + 1
            class Price: pass
            def of(): return "old"
            """,
        }
    )
    tree.install()
    old = tree.module("prices")
    old.note = [1]
    old.late_function = old.of
    old.late_class = old.Price
    old.late_module = old.helpers
    old.late_tool = old.helpers.Tool
    tree.published(
        {
            "prices.py": """
            count = globals().get("count", 0) + 1
            class Price: pass
            def of(): return "new"
            """,
        }
    )
    new = tree.module("prices")
    assert (new.count, new.of()) == (2, "new")
    assert new.note is old.note
    # Live code is replaced by its counterpart, never by the old code.
    assert (new.of, new.Price) != (old.of, old.Price)
    assert getattr(new, "late_function", new.of) is new.of
    assert getattr(new, "late_class", new.Price) is new.Price
    assert new.late_module is tree.module("helpers")
    assert new.late_tool is tree.module("helpers").Tool
    assert not hasattr(new, "helpers")


def test_overlay_is_isolated(tree: LiveTree) -> None:
    source = "VALUE = {}\ndef ask(): return VALUE\n"
    tree.write({"prices.py": source.format(1)})
    tree.install(policy="overlay")
    old = tree.module("prices")
    tree.published({"prices.py": source.format(2)})
    new = tree.module("prices")
    assert vars(old) is not vars(new)
    assert (old.ask(), new.ask()) == (1, 2)
    new.VALUE = 3
    assert (old.ask(), new.ask()) == (1, 3)


def test_fresh_starts_with_nothing(tree: LiveTree) -> None:
    source = "__reload__ = 'fresh'\nseen = sorted(k for k in globals() if k[:2] != '__')\n# {}\n"
    tree.write({"prices.py": source.format(1)})
    tree.install()
    tree.module("prices").note = 1
    tree.published({"prices.py": source.format(2)})
    assert tree.module("prices").seen == []


def test_importers_that_run_again_have_their_own_policy(tree: LiveTree) -> None:
    tree.write(
        {
            "leaf.py": "VALUE = 1\n",
            "over.py": "import leaf\nruns = globals().get('runs', 0) + 1\n",
            "fresh.py": "__reload__ = 'fresh'\nimport leaf\nruns = globals().get('runs', 0) + 1\n",
        }
    )
    tree.install()
    tree.module("over"), tree.module("fresh")
    tree.published({"leaf.py": "VALUE = 2\n"})
    assert (tree.module("over").runs, tree.module("fresh").runs) == (2, 1)


def test_keep_deleted_is_reload_to_the_letter(tree: LiveTree) -> None:
    tree.write({"prices.py": "def gone(): return 1\nimport json\nVALUE = 1\n"})
    tree.install(keep_deleted=True)
    gone = tree.module("prices").gone
    tree.published({"prices.py": "VALUE = 2\n"})
    prices = tree.module("prices")
    assert (prices.VALUE, prices.gone()) == (2, 1)
    assert prices.gone is gone
    assert prices.json.__name__ == "json"


# __preserve__

SHAPES = {
    "plain": "cache = make()",
    "annotated": "cache: list = make()",
    "under an if": "if True:\n    cache = make()",
    "in a try": "try:\n    cache = make()\nfinally:\n    pass",
    "chained": "cache = also = make()",
    "unpacked": "(cache, *rest) = (make(), 1)",
    "walrus": "print(cache := make(), end='')",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_preserve_skips_the_assignment(tree: LiveTree, policy: str, shape: str) -> None:
    source = f"__preserve__ = ['cache']\ndef make(): return [NNN]\n{SHAPES[shape]}\nVALUE = NNN\n"
    tree.write({"prices.py": source.replace("NNN", "1")})
    tree.install(policy=policy)
    cache = tree.module("prices").cache
    tree.published({"prices.py": source.replace("NNN", "2")})
    assert tree.module("prices").cache is cache
    assert (tree.module("prices").VALUE, cache) == (2, [1])


@pytest.mark.parametrize("shape", ["plain", "annotated", "under an if", "in a try"])
def test_preserve_does_not_evaluate_what_stands_on_the_right(
    tree: LiveTree, policy: str, outside: Any, shape: str
) -> None:
    source = (
        "import outside\n__preserve__ = ['cache']\n"
        "def make():\n    outside.ran.append(NNN)\n    return []\n"
        f"{SHAPES[shape]}\n"
    )
    tree.write({"prices.py": source.replace("NNN", "1")})
    tree.install(policy=policy)
    tree.module("prices")
    tree.published({"prices.py": source.replace("NNN", "2")})
    assert outside.ran == [1]
    assert tree.module("prices").cache == []


def test_preserve_asked_for_by_the_new_source_takes_what_the_old_had(
    tree: LiveTree, policy: str
) -> None:
    tree.write({"prices.py": "cache = {}\n"})
    tree.install(policy=policy)
    cache = tree.module("prices").cache
    tree.published({"prices.py": "__preserve__ = ('cache',)\ncache = {}\n"})
    assert tree.module("prices").cache is cache
    tree.published({"prices.py": "cache = {}\n"})
    assert tree.module("prices").cache is not cache


# never


def test_never_is_reported_as_needing_a_restart(tree: LiveTree) -> None:
    tree.write(
        {
            "pool.py": "__reload__ = 'never'\nSIZE = 1\n",
            "web.py": "import pool\nVALUE = 1\n",
        }
    )
    tree.install()
    tree.module("web")
    pool = tree.module("pool")
    edit = {"pool.py": "__reload__ = 'never'\nSIZE = 2\n"}
    tree.write(edit)
    assert [(each.name, each.code) for each in transfuse.plan().restart] == [
        ("pool", "never-policy")
    ]
    report = transfuse.update()
    assert (ran(report), [each.name for each in report.restart]) == ([], ["pool"])
    assert (pool, 1) == (tree.module("pool"), tree.module("pool").SIZE)
    report = tree.published({"web.py": "import pool\nVALUE = 2\n"})
    assert (ran(report), [each.name for each in report.restart]) == (["web"], ["pool"])
    assert (2, pool, 1) == (tree.module("web").VALUE, tree.module("web").pool, pool.SIZE)


def test_never_cannot_be_lifted_by_the_edit_that_needs_the_restart(tree: LiveTree) -> None:
    tree.write({"pool.py": "__reload__ = 'never'\nSIZE = 1\n"})
    tree.install()
    tree.module("pool")
    report = tree.update({"pool.py": "SIZE = 2\n"})
    assert [each.name for each in report.restart] == ["pool"]
    assert tree.module("pool").SIZE == 1


# __migrate__


def test_migrate_runs_last_with_the_old_namespace(tree: LiveTree, policy: str) -> None:
    tree.write({"cart.py": "items = ['tea', 'pot']\n"})
    tree.install(policy=policy)
    old = tree.module("cart")
    old.items.append("cup")
    tree.published(
        {
            "cart.py": """
            items = {}
            def __migrate__(previous):
                global order
                order = list(previous)[-1:], sorted(globals())[-1]
                for item in previous["items"]:
                    items[item] = items.get(item, 0) + 1
            """
        }
    )
    assert tree.module("cart").items == {"tea": 1, "pot": 1, "cup": 1}
    assert old.items == ["tea", "pot", "cup"]


def test_migrate_does_not_run_at_the_first_load(tree: LiveTree, outside: Any) -> None:
    tree.write(
        {"cart.py": "import outside\ndef __migrate__(previous): outside.ran.append(previous)\n"}
    )
    tree.install()
    tree.module("cart")
    assert outside.ran == []


# __dispose__

DISPOSING = "import outside\nV = {0}\ndef __dispose__(): outside.ran.append((V, {0}))\n"


def test_dispose_runs_in_the_old_module_once_it_is_replaced(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"pool.py": DISPOSING.format(1)})
    tree.install(policy=policy)
    tree.module("pool")
    tree.published({"pool.py": DISPOSING.format(2)})
    transfuse.update()
    assert outside.ran == [(1, 1)]
    tree.published({"pool.py": DISPOSING.format(3)})
    transfuse.update()
    assert outside.ran == [(1, 1), (2, 2)]


def test_dispose_waits_for_the_last_pin(tree: LiveTree, policy: str, outside: Any) -> None:
    tree.write({"pool.py": DISPOSING.format(1), "other.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("pool"), tree.module("other")
    with transfuse.pin():
        with transfuse.pin():
            tree.published({"pool.py": DISPOSING.format(2)})
            assert Worker(lambda: tree.module("pool").V).result() == 2
        tree.published({"other.py": "VALUE = 2\n"})
        assert (outside.ran, tree.module("pool").V) == ([], 1)
    transfuse.update()
    assert outside.ran == [(1, 1)]


def test_dispose_waits_for_a_pin_of_any_generation_that_has_it(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"pool.py": DISPOSING.format(1), "other.py": "VALUE = 1\n"})
    tree.install(policy=policy)
    tree.module("pool"), tree.module("other")
    tree.published({"other.py": "VALUE = 2\n"})
    begun, go_on = Event(), Event()

    def unit() -> None:
        with transfuse.pin():
            begun.set()
            wait(go_on)

    worker = Worker(unit)
    wait(begun)
    tree.published({"pool.py": DISPOSING.format(2)})
    transfuse.update()
    assert outside.ran == []
    go_on.set()
    worker.result()
    transfuse.update()
    assert outside.ran == [(1, 1)]


def test_dispose_runs_after_the_new_code_is_served(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write(
        {
            "pool.py": """
            import outside
            V = 1
            def __dispose__():
                outside.ran.append(outside.served())
            """
        }
    )
    # Old code asks for its own generation; a thread that runs no live code sees what is served.
    outside.served = lambda: Worker(lambda: tree.module("pool").V).result()
    tree.install(policy=policy)
    tree.module("pool")
    tree.published({"pool.py": "V = 2\n"})
    transfuse.update()
    assert outside.ran == [2]


def test_dispose_that_raises_is_logged_and_hurts_nobody(
    tree: LiveTree, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    tree.write({"pool.py": "def __dispose__(): raise KeyError('stuck')\n"})
    tree.install(policy=policy)
    tree.module("pool")
    tree.published({"pool.py": "V = 2\n"})
    assert transfuse.update().outcome == "unchanged"
    assert "pool" in caplog.text
    assert "KeyError: 'stuck'" in caplog.text


def test_dispose_runs_for_a_deleted_module_and_not_for_a_refused_one(
    tree: LiveTree, policy: str, outside: Any
) -> None:
    tree.write({"pool.py": DISPOSING.format(1)})
    tree.install(policy=policy)
    tree.module("pool")
    assert tree.update({"pool.py": DISPOSING.format(2) + "1/0\n"}).outcome == "refused"
    assert outside.ran == []
    tree.delete("pool.py")
    tree.published()
    transfuse.update()
    assert outside.ran == [(1, 1)]


# once


def test_once_survives_updates_and_is_made_once(tree: LiveTree, policy: str, outside: Any) -> None:
    source = """
        import outside, transfuse
        def load():
            outside.ran.append({0})
            return object()
        def model(): return transfuse.once("model-of-{1}", load)
        VALUE = {0}
        """
    tree.write({"ml.py": source.format(1, policy)})
    tree.install(policy=policy)
    tree.module("ml")
    models = together(16, lambda _: tree.module("ml").model())
    tree.published({"ml.py": source.format(2, policy)})
    models.append(tree.module("ml").model())
    assert (len({id(model) for model in models}), outside.ran) == (1, [1])


def test_once_that_raises_keeps_nothing(tree: LiveTree, outside: Any) -> None:
    outside.answers = [KeyError("not yet"), 5]
    tree.write(
        {
            "ml.py": """
            import outside, transfuse
            def load():
                answer = outside.answers.pop(0)
                if isinstance(answer, Exception): raise answer
                return answer
            def model(): return transfuse.once("raises", load)
            """
        }
    )
    tree.install()
    with pytest.raises(KeyError, match="not yet"):
        tree.module("ml").model()
    assert [tree.module("ml").model() for _ in range(2)] == [5, 5]
