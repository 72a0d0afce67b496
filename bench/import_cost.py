"""What does importing cost with Transfuse, and what does it cost without?

Processes with and without, in turns, in one run; the best of many repetitions in each and the
median over the processes. Imports of a module that is loaded (from live code, from foreign code, by
a call), and the first import of many modules whose precompiled files are there: each kind of
process has its own tree, with the precompiled files that it writes itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

MODULES = 1000
# How long one process may take, in seconds.
CAP = 120.0

LIVE = """
import json, importlib, transfuse_or_not
def take(): import leaf
def take_foreign(): import json
def by_call(): transfuse_or_not.import_module("leaf")
def by_importlib(): importlib.import_module("leaf")
"""
FOREIGN = "def take_foreign(): import json\ndef take_live(): import leaf\n"
SAMPLE = """
import sys, time, timeit, json, types, gc
root, live, modules = sys.argv[1], sys.argv[2] == "live", int(sys.argv[3])
sys.dont_write_bytecode = False
if live:
    import transfuse
    transfuse.install(roots=[root], watch=False)
else:
    sys.path.insert(0, root)
gate = types.ModuleType("transfuse_or_not")
import importlib
gate.import_module = transfuse.import_module if live else importlib.import_module
sys.modules["transfuse_or_not"] = gate
begun = time.perf_counter()
import all_modules
first = time.perf_counter() - begun
import app
foreign = types.ModuleType("foreign")
exec(sys.argv[4], foreign.__dict__)
def cost(function):
    return min(timeit.repeat(function, number=20000, repeat=7)) / 20000
def nothing(): pass
called = cost(lambda: [nothing() for _ in range(10)])
if live:
    with open(root + "/leaf.py", "a") as leaf:
        leaf.write("#")
    transfuse.update().check()
called_after = cost(lambda: [nothing() for _ in range(10)])
empty = cost(lambda: None)
def of(function):
    function()
    return (cost(function) - empty) * 1e9
app.take()
print(json.dumps({
    "first": first,
    "called": called / 10 * 1e9,
    "called_after": called_after / 10 * 1e9,
    "live": of(app.take),
    "live_foreign": of(app.take_foreign),
    "foreign": of(foreign.take_foreign),
    "foreign_live": of(foreign.take_live),
    "by_call": of(app.by_call),
    "by_importlib": of(app.by_importlib),
}))
"""


class Row(NamedTuple):
    """One line of the table: what it is, and whose figure is compared."""

    title: str
    key: str
    unit: str
    scale: float


ROWS = (
    Row("import of a loaded live module, in a live function", "live", "ns", 1),
    Row("import of a loaded foreign module, in a live function", "live_foreign", "ns", 1),
    Row("import of a loaded foreign module, in foreign code", "foreign", "ns", 1),
    Row("import of a loaded live module, in foreign code", "foreign_live", "ns", 1),
    Row("transfuse.import_module / importlib.import_module", "by_call", "ns", 1),
    Row("importlib.import_module of a live module", "by_importlib", "ns", 1),
    Row("a call of a function", "called", "ns", 1),
    Row("the same, once there has been an update", "called_after", "ns", 1),
    Row(f"first import of {MODULES} modules, precompiled", "first", "ms", 1000),
)


def write_tree(root: Path) -> None:
    """Write an application of many modules of ordinary size."""
    body = "\n".join(
        f"def f{n}(x, y=1):\n    z = x + y * {n}\n    return [z, str(z), {{'z': z}}]\n"
        f"class C{n}:\n    def m(self): return f{n}(self, 2)\n"
        for n in range(10)
    )
    (root / "many").mkdir()
    (root / "many" / "__init__.py").write_text("")
    for number in range(MODULES):
        imports = f"from many import m{number - 1}\n" if number % 10 else "import json\n"
        (root / "many" / f"m{number}.py").write_text(f"{imports}NUMBER = {number}\n{body}")
    lines = [f"from many import m{number}" for number in range(MODULES)]
    (root / "all_modules.py").write_text("\n".join(lines))
    (root / "leaf.py").write_text("X = 1\n")
    (root / "app.py").write_text(LIVE)


def sample(root: Path, kind: str) -> dict[str, float]:
    """Run one process, with Transfuse (``"live"``) or without (``"plain"``)."""
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(root), kind, str(MODULES), FOREIGN],
        capture_output=True,
        text=True,
        timeout=CAP,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind (7)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        roots = {kind: Path(folder, kind) for kind in ("plain", "live")}
        for kind, root in roots.items():
            root.mkdir()
            write_tree(root)
            sample(root, kind)  # writes the precompiled files
        samples: dict[str, list[dict[str, float]]] = {"plain": [], "live": []}
        for _ in range(rounds):
            for kind, found in samples.items():
                found.append(sample(roots[kind], kind))
    print(f"Python {sys.version.split()[0]}, medians of {rounds} processes each\n")
    print(f"{'':<54}{'plain':>9}{'live':>9}{'ratio':>7}")
    for row in ROWS:
        plain, live = (
            statistics.median(each[row.key] for each in samples[kind]) * row.scale
            for kind in ("plain", "live")
        )
        print(f"{row.title:<54}{plain:>6.0f} {row.unit}{live:>6.0f} {row.unit}{live / plain:>7.2f}")


if __name__ == "__main__":
    main()
