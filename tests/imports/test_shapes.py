"""Every shape of import, in every place: old and new code find their own."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from support.two_generations import each_finds_its_own, foreign_code_finds

if TYPE_CHECKING:
    from conftest import LiveTree

# A package with one thing of each kind in it; `@` is the generation.
PROGRAM = {
    "shop/__init__.py": "",
    "shop/a/__init__.py": "WHICH = @\nfrom shop.a.b import WHICH as from_b\n",
    "shop/a/b/__init__.py": "WHICH = @\n",
    "shop/a/b/c.py": "WHICH = @\n",
    "shop/sibling.py": "WHICH = @\n",
    "shop/listed/__init__.py": "__all__ = ['WHICH', 'part']\nWHICH = @\nnot_listed = 99\n",
    "shop/listed/part.py": "WHICH = @\n",
    "shop/unlisted.py": "WHICH = @\n_hidden = 99\n",
}
# The statement, and an expression for what it imported.
SHAPES = {
    "import a.b.c": ("import shop.a.b.c", "shop.a.b.c.WHICH"),
    "import a.b.c, its parents": ("import shop.a.b.c", "(shop.a.WHICH + shop.a.b.WHICH) // 2"),
    "import a.b.c as d": ("import shop.a.b.c as d", "d.WHICH"),
    "import two": ("import shop.a.b.c, shop.sibling as s", "(shop.a.b.c.WHICH + s.WHICH) // 2"),
    "from a.b import c": ("from shop.a.b import c", "c.WHICH"),
    "from a.b import c as d": ("from shop.a.b import c as d", "d.WHICH"),
    "from a.b.c import x": ("from shop.a.b.c import WHICH", "WHICH"),
    "re-exported": ("from shop.a import from_b", "from_b"),
    "from . import x": ("from . import b", "b.WHICH"),
    "from .x import y": ("from .b import WHICH as w", "w"),
    "from .x.y import z": ("from .b.c import WHICH", "WHICH"),
    "from .. import x": ("from .. import sibling", "sibling.WHICH"),
    "from ..x import y": ("from ..sibling import WHICH", "WHICH"),
    "importlib": ("import importlib", "importlib.import_module('shop.a.b.c').WHICH"),
    "importlib, relative": (
        "from importlib import import_module",
        "import_module('.a.b.c', 'shop').WHICH",
    ),
    "__import__": ("top = __import__('shop.a.b.c')", "top.a.b.c.WHICH"),
    "__import__ with names": ("c = __import__('shop.a.b', fromlist=['c']).c", "c.WHICH"),
    "__import__, relative": (
        "s = __import__('sibling', globals(), None, ['WHICH'], 2)",
        "s.WHICH",
    ),
}
# What can stand at module level only.
STARS = {
    "star": ("from shop.unlisted import *", "WHICH if '_hidden' not in globals() else 0"),
    "star with __all__": (
        "from shop.listed import *",
        "(WHICH + part.WHICH) // 2 if 'not_listed' not in globals() else 0",
    ),
    "star, relative": ("from ..listed import *", "part.WHICH"),
}
PLACES = {
    "module": """
        {write}
        found = {found}
        def ask(): return [found, {found}]
        """,
    "function": """
        def ask():
            {write}
            return [{found}]
        """,
    "class": """
        class Found:
            {write}
            found = {found}
        def ask(): return [Found.found]
        """,
    "thread": """
        import threading
        def ask():
            found = []
            def work():
                {write}
                found.append({found})
            thread = threading.Thread(target=work)
            thread.start()
            thread.join(20)
            return found
        """,
    "executor": """
        from concurrent.futures import ThreadPoolExecutor
        def ask():
            def work():
                {write}
                return {found}
            with ThreadPoolExecutor(1) as pool:
                return [pool.submit(work).result(20), *pool.map(lambda _: work(), range(2))]
        """,
    "coroutine": """
        import asyncio
        async def work():
            await asyncio.sleep(0)
            {write}
            await asyncio.sleep(0)
            return {found}
        async def main(): return await asyncio.gather(work(), asyncio.create_task(work()))
        def ask(): return asyncio.run(main())
        """,
    "to_thread": """
        import asyncio
        def work():
            {write}
            return {found}
        async def main(): return [await asyncio.to_thread(work)]
        def ask(): return asyncio.run(main())
        """,
    "generator": """
        def work():
            {write}
            yield {found}
            yield {found}
        def ask(): return list(work())
        """,
    "exec": """
        def ask():
            exec({write!r}, globals())
            return [eval({found!r}, globals())]
        """,
}


def program(place: str, write: str, found: str) -> dict[str, str]:
    asking = textwrap.dedent(PLACES[place]).format(write=write, found=found)
    return {
        **PROGRAM,
        "shop/a/asking.py": asking + "\n# @\n",
        "web.py": "from shop.a.asking import ask\n# @\n",
    }


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_p2_a_shape_of_import_in_a_place(tree: LiveTree, shape: str, place: str) -> None:
    each_finds_its_own(tree, program(place, *SHAPES[shape]))


@pytest.mark.parametrize("shape", STARS)
def test_p2_a_star_import(tree: LiveTree, policy: str, shape: str) -> None:
    each_finds_its_own(tree, program("module", *STARS[shape]), policy=policy)


@pytest.mark.parametrize("shape", SHAPES)
def test_p2_foreign_code_that_imports(tree: LiveTree, shape: str) -> None:
    write, found = SHAPES[shape]

    def ask() -> Any:
        names: dict[str, Any] = {"__package__": "shop.a", "__name__": "shop.a.outsider"}
        exec(write, names)
        return eval(found, names)

    foreign_code_finds(tree, PROGRAM, ask)
