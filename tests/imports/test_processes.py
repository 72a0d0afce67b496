"""Child processes: forked, from a fork server, spawned; each begins with what it is given."""

from __future__ import annotations

import multiprocessing
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from conftest import LiveTree

FILES = {
    "job.py": """
        import part
        class Order:
            def __init__(self): self.which = part.WHICH
        def work(order, told):
            import part as here
            import late
            told.send((part.WHICH, here.WHICH, order.which, type(order) is Order, late.WHICH))
        def told_by_pool(order):
            return part.WHICH, order.which, type(order) is Order
        """,
    "part.py": "WHICH = 1\n",
    "late.py": "WHICH = 1\n",
}
STORY = """
    import multiprocessing, pathlib
    if __name__ == "__main__":
        import job, transfuse
        context = multiprocessing.get_context({method!r})
        def child(order):
            here, there = context.Pipe()
            process = context.Process(target=job.work, args=(order, there))
            process.start()
            assert here.poll(30)
            print(here.recv())
            process.join(30)
        child(job.Order())
        old = job.Order()
        with transfuse.pin():
            pathlib.Path("part.py").write_text("WHICH = 2")
            pathlib.Path("late.py").write_text("WHICH = 2")
            print(transfuse.update().outcome)
            child(old)
        child(job.Order())
        with context.Pool(1) as pool:
            print(pool.apply(job.told_by_pool, (job.Order(),)))
        queue = context.Queue()
        queue.put(job.Order())
        print(type(queue.get(timeout=30)) is job.Order)
    """
BEFORE = ["(1, 1, 1, True, 1)", "published"]
AFTER = ["(2, 2, 2, True, 2)", "(2, 2, True)", "True"]
# A spawned process is a new one, without the pin and with the files as they are.
NEW = [*BEFORE, "(2, 2, 1, True, 2)", *AFTER]
TOLD = {"fork": [*BEFORE, "(1, 1, 1, True, 1)", *AFTER], "forkserver": NEW, "spawn": NEW}
if sys.version_info >= (3, 14):
    # There the fork server runs the main program when it begins, and what it forks begins as that
    # was. The story's does not watch, so that is what it was at the beginning.
    then = ["(1, 1, 1, True, 1)", "(1, 1, 2, True, 1)", "(1, 2, True)", "True"]
    TOLD["forkserver"] = [*BEFORE, *then]


@pytest.mark.parametrize("method", TOLD)
def test_p2_a_child_process(tree: LiveTree, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on {sys.platform}")
    tree.write(FILES)
    tree.write({"story.py": dedent(LIVE) + dedent(STORY).format(method=method)})
    told = python(tree.root, "import runpy; runpy.run_path('story.py', run_name='__main__')")
    assert told == TOLD[method]
