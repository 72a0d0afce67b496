"""A plan that grows while it is staged: what has run is kept where it is still right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from conftest import ran

if TYPE_CHECKING:
    from conftest import LiveTree

PARTS = 30
# Imports its parts one after the other and registers with each.
ROOT = f"""
from importlib import import_module
import outside
import slow
outside.ran.append("root")
for number in range({PARTS}):
    import_module(f"part{{number}}").routes.append(slow.VALUE)
"""


def _parts() -> dict[str, str]:
    return {
        f"part{number}.py": f"import outside\noutside.ran.append('part{number}')\nroutes = []\n"
        for number in range(PARTS)
    }


def test_p12_each_round_keeps_the_modules_that_it_does_not_concern(
    tree: LiveTree, outside: Any
) -> None:
    tree.write(_parts())
    tree.write({"root.py": "import slow\n", "slow.py": "VALUE = 1\n"})
    tree.install()
    tree.module("root")
    for number in range(PARTS):
        tree.module(f"part{number}")
    outside.ran.clear()
    slow = "import outside\noutside.ran.append('slow')\nVALUE = 2\n"
    report = tree.published({"root.py": ROOT, "slow.py": slow})
    assert {"root", "slow", *(f"part{number}" for number in range(PARTS))} == set(ran(report))
    # The root is stopped once for each part, before it changes one that is in use. The parts that
    # it has changed by then run again with it; a module that it only reads runs once.
    runs = Counter(outside.ran)
    assert runs["slow"] == 1
    assert runs[f"part{PARTS - 1}"] == 1
    assert [[2]] * PARTS == [tree.module(f"part{number}").routes for number in range(PARTS)]


def test_p5_a_module_that_took_a_value_from_an_added_one_runs_again(
    tree: LiveTree,
) -> None:
    tree.write(
        {
            "registry.py": "HANDLERS = []\n",
            "early.py": "from registry import HANDLERS\nCOUNT = len(HANDLERS)\n",
            "late.py": "",
            "app.py": "import early\nimport late\n",
        }
    )
    tree.install()
    tree.module("app")
    tree.module("registry")
    report = tree.published(
        {
            "early.py": "from registry import HANDLERS\nCOUNT = len(HANDLERS) + 10\n",
            "late.py": "from registry import HANDLERS\nHANDLERS.append(1)\n",
        }
    )
    assert "registry" in ran(report)
    early, registry = tree.module("early"), tree.module("registry")
    assert early.HANDLERS is registry.HANDLERS
    assert (early.COUNT, registry.HANDLERS) == (10, [1])


def test_p4_a_round_that_fails_leaves_all_as_it_was(tree: LiveTree) -> None:
    tree.write(
        {
            "registry.py": "HANDLERS = []\n",
            "late.py": "",
            "app.py": "import late\n",
        }
    )
    tree.install()
    tree.module("app")
    registry = tree.module("registry")
    report = tree.update(
        {"late.py": "from registry import HANDLERS\nHANDLERS.append(1)\nraise ValueError('no')\n"}
    )
    assert report.outcome == "refused"
    assert tree.module("registry") is registry
    assert registry.HANDLERS == []


def test_p5_a_module_that_registers_with_forty_others(tree: LiveTree, policy: str) -> None:
    numbers = range(40)
    root = "".join(f"import part{n}\npart{n}.routes.append(@)\n" for n in numbers)
    tree.write({f"part{n}.py": "routes = []\n" for n in numbers})
    tree.write({"root.py": root.replace("@", "1")})
    tree.install(policy=policy)
    tree.module("root")
    for value in (2, 3):
        tree.published({"root.py": root.replace("@", str(value))})
        assert [[value]] * 40 == [tree.module(f"part{n}").routes for n in numbers]


def test_p5_forty_modules_of_which_each_registers_with_the_next(
    tree: LiveTree, policy: str
) -> None:
    part = "import part{1}\npart{1}.routes.append({0})\nroutes = []\n"
    parts = {f"part{n}.py": part.format(n, n + 1) for n in range(39)}
    tree.write({**parts, "part39.py": "routes = []\n"})
    tree.install(policy=policy)
    tree.module("part0")
    for name in ("part0.py", "part20.py"):
        tree.published({name: parts[name] + "V = 1\n"})
        found = [tree.module(f"part{n}").routes for n in range(40)]
        assert found == [[], *([n] for n in range(39))]
