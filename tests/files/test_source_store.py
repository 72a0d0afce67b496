"""The store of sources keeps what a generation knows for as long as its code may import it."""

from __future__ import annotations

import gc
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.threads import Worker
from transfuse.errors import ContentGone

if TYPE_CHECKING:
    from conftest import LiveTree

LATE = {
    "web.py": """
        def ask():
            from shop import prices
            return prices.TEA, prices.tax.RATE
        """,
    "shop/__init__.py": "",
    "shop/prices.py": "from shop import tax\nTEA = 3\n",
    "shop/tax.py": "RATE = 7\n",
}
NEW = {"shop/prices.py": "from shop import tax\nTEA = 4\n", "shop/tax.py": "RATE = 8\n"}


def test_a_module_that_is_imported_late_is_that_of_its_generation(
    tree: LiveTree, policy: str
) -> None:
    tree.write(LATE)
    tree.install(policy=policy)
    ask = tree.module("web").ask
    with transfuse.pin():
        tree.published(NEW)
        tree.published({"shop/tax.py": "RATE = 9\n"})
        assert ask() == (3, 7)
        # Another thread imports the newest code at the same time.
        assert Worker(lambda: tree.module("shop.prices").TEA).result() == 4
        assert ask() == (3, 7)
    assert (tree.module("shop.prices").TEA, tree.module("shop.tax").RATE) == (4, 9)


def test_a_file_that_is_deleted_meanwhile_is_had_all_the_same(tree: LiveTree) -> None:
    tree.write(LATE)
    tree.install()
    ask = tree.module("web").ask
    with transfuse.pin():
        tree.delete("shop/prices.py", "shop/tax.py", "shop/__init__.py")
        (tree.root / "shop").rmdir()
        tree.update()
        assert ask() == (3, 7)
    with pytest.raises(ModuleNotFoundError):
        tree.module("shop.prices")


def test_a_file_that_is_made_meanwhile_is_not_there(tree: LiveTree) -> None:
    tree.write({"web.py": "def ask():\n    import late\n    return late.A\n"})
    tree.install()
    ask = tree.module("web").ask
    with transfuse.pin():
        tree.published({"late.py": "A = 1\n", "web.py": "def ask():\n    return 2\n"})
        with pytest.raises(ModuleNotFoundError):
            ask()
    assert tree.module("late").A == 1


def test_each_of_many_generations_has_its_own(tree: LiveTree) -> None:
    tree.write({"web.py": "def ask():\n    import late\n    return late.A\n", "late.py": "A = 0\n"})
    tree.install()
    ask = tree.module("web").ask
    for number in range(1, 8):
        with transfuse.pin():
            tree.published({"late.py": f"A = {number}\n"})
            assert ask() == number - 1


SAY = "def ask():\n    import late\n    return late.A\n"


def test_over_the_limit_the_import_fails_and_never_mixes(tree: LiveTree) -> None:
    tree.write({"web.py": SAY, "late.py": "A = 1\n", "other.py": "A = 1\n"})
    tree.install(store=0)
    ask = tree.module("web").ask
    with transfuse.pin():
        tree.published({"late.py": "A = 2\n"})
        with pytest.raises(ContentGone, match=r"late\.py.*store"):
            ask()
        # The content that is still in the file is read from there.
        assert tree.module("other").A == 1
    assert tree.module("web").ask() == 2
    tree.published({"late.py": "A = 3\n"})
    assert tree.module("web").ask() == 3
    assert transfuse.status().stored_bytes == 0


def test_what_is_kept_is_compressed_bounded_and_let_go_of(tree: LiveTree) -> None:
    def source(number: int) -> str:
        noise = "\n".join(f"NAME_{at} = {(at * 7919 + number) % 10007}" for at in range(40_000))
        return f"A = {number}\n{noise}\n"

    def held() -> int:
        gc.collect()
        return transfuse.status().stored_bytes

    tree.write({"web.py": SAY, "late.py": source(0)})
    tree.install(store=1, keep=0)
    alone, size = held(), len(source(0))
    assert 0 < alone < size
    ask = tree.module("web").ask
    tree.published({"late.py": source(1)})
    assert abs(held() - alone) < alone / 10
    with transfuse.pin():
        tree.published({"late.py": source(2)})
        assert held() > 1.8 * alone
        for number in range(3, 8):
            tree.published({"late.py": source(number)})
            assert held() <= 1 << 20
        assert ask() == 1
    transfuse.update()
    assert Worker(held).result() < 1.2 * alone
    assert ask() == 7


def test_the_limit_is_a_setting(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.root)
    monkeypatch.setenv("TRANSFUSE_STORE", "0")
    tree.write({"prices.py": textwrap.dedent("TEA = 3")})
    transfuse.install(watch=False)
    module: Any = tree.module("prices")
    assert (module.TEA, transfuse.status().stored_bytes) == (3, 0)
