"""A plan that grows while it is staged leaves no subclass of an execution that was given up."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import LiveTree


def test_p5_a_subclass_is_listed_once_after_its_module_ran_twice(tree: LiveTree) -> None:
    """`plugin` runs, turns out to register in `registry`, and runs again with that."""
    base = (
        "class Base: V = {0}\n"
        "def names():\n    return [each.__name__ for each in Base.__subclasses__()]\n"
    )
    plain = "import base\nclass Plugin(base.Base): V = {0}\n"
    registers = f"{plain}import registry\nregistry.ALL.append(Plugin)\n"
    tree.write(
        {
            "base.py": base.format(1),
            "registry.py": "ALL = []\n",
            "plugin.py": plain.format(1),
            "main.py": "import base, registry, plugin\n",
        }
    )
    tree.install()
    tree.module("main")
    gc.disable()
    try:
        report = tree.published({"base.py": base.format(2), "plugin.py": registers.format(2)})
        assert {each.name for each in report.ran} >= {"base", "plugin", "registry"}
        assert tree.module("base").names() == ["Plugin"]
    finally:
        gc.enable()
