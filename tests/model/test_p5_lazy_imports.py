"""P5 with lazy imports: whatever was used before an update, the result is what a fresh process has.

All modules exist and define `V`, so no update is refused. Plain imports lead to later modules only,
since what a circle of them finds depends on where one enters; lazy ones lead anywhere.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

import transfuse
from model import world
from model.fresh import Fresh
from model.test_p5_like_a_restart import as_far_as, started
from support.lazy import needs_lazy_imports

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_lazy_imports
_numbers = st.integers(0, 99)


@pytest.fixture(scope="module")
def fresh() -> Iterator[Fresh]:
    process = Fresh()
    yield process
    process.close()


@st.composite
def _statement(draw: st.DrawFn, module: str) -> str:
    other = draw(st.sampled_from(world.MODULES[1:]))
    bound = other.replace(".", "_")
    lazy = [
        f"lazy import {other} as z_{bound}",
        f"lazy from {other} import V as zv_{bound}",
        f"lazy import {other} as u_{bound}\ndef use_{bound}(): return u_{bound}.V",
        f"lazy from {other} import V as w_{bound}\ndef use_v_{bound}(): return w_{bound} + 1",
    ]
    plain = [f"import {other} as m_{bound}", f"from {other} import V as v_{bound}"]
    later = world.MODULES.index(other) > world.MODULES.index(module)
    return draw(st.sampled_from([*lazy, *lazy, *(plain if later else [])]))


@st.composite
def _source(draw: st.DrawFn, module: str) -> str:
    statements = draw(st.lists(_statement(module), max_size=4))
    # Defined first: a lazy import that is used while the module runs finds it.
    return "\n".join([f"V = {draw(_numbers)}", *statements, ""])


@st.composite
def _tree(draw: st.DrawFn) -> dict[str, str]:
    tree = {world.file_of(name, name == "pack"): draw(_source(name)) for name in world.MODULES}
    tree["pack/sub/__init__.py"] = "V = 0\n"
    return tree


@st.composite
def _story(draw: st.DrawFn) -> tuple[dict[str, str], list[tuple[dict[str, str], list[str]]]]:
    """Return an application; and edits, each with what is used before it."""
    edits = []
    for _ in range(draw(st.integers(1, 4))):
        names = draw(st.lists(st.sampled_from(world.MODULES), min_size=1, max_size=2))
        changed = {world.file_of(name, name == "pack"): draw(_source(name)) for name in names}
        prefixes = ["z_", "zv_", "use_", "use_v_"]
        used = [prefix + name.replace(".", "_") for name in world.MODULES for prefix in prefixes]
        edits.append((changed, draw(st.lists(st.sampled_from(used), max_size=6))))
    return draw(_tree()), edits


def use(names: list[str]) -> None:
    """Touch these names in all modules, and call those that are functions."""
    for name in names:
        for module in world.MODULES:
            # A circle of lazy imports that a plain one runs into fails in a fresh process, too.
            with contextlib.suppress(ImportError, AttributeError):
                value: Any = getattr(sys.modules.get(module), name, None)
                if callable(value):
                    value()


@pytest.mark.slow
@pytest.mark.timeout(0)
@given(story=_story())
def test_p5_any_uses_and_edits(fresh: Fresh, story: Any) -> None:
    tree, edits = story
    process = started(tree)
    try:
        transfuse.import_module("main")
        for changed, names in edits:
            use(names)
            tree = {**tree, **changed}
            process.save(tree)
            report = transfuse.update()
            note(f"{tree}\n{report}")
            assert report.outcome in ("published", "unchanged"), report.traceback
        expected = fresh.look(process.root)
        told = process.see()
        assert as_far_as(told, expected) == expected
    finally:
        process.close()
