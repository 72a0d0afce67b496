"""Programs under test replace the clock, the file system or the tracer of the whole process.

Each story runs in an interpreter of its own, with watching, and saves edits as an editor does: what
the program has replaced does not reach Transfuse, and does reach the program's own modules.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from support.interpreter import python

if TYPE_CHECKING:
    from pathlib import Path

SHOP = """
import os, time

def told():
    return {edition}, int(time.time()), os.path.exists("/in/the/program")
"""
BEGIN = """
    import os, sys, threading
    import transfuse

    def save(edition):
        write({"shop.py": SHOP.replace("{edition}", str(edition))})

    def write(files):
        for name, text in files.items():
            part = f".{name}.part"
            with real[0](part, "w") as file:
                file.write(text)
            real[1](part, name)

    # A fake file system replaces functions that a module has under names of its own, too.
    real = [open, os.replace]
    reported = threading.Condition()
    outcomes = []

    def remember(report):
        with reported:
            outcomes.append(report.outcome)
            reported.notify_all()

    def published(count):
        with reported:
            if not reported.wait_for(lambda: len(outcomes) >= count, 20):
                raise SystemExit(f"waited 20 s; these came: {outcomes}")
        return outcomes

    def begin():
        save(1)
        transfuse.install(roots=[os.getcwd()], watch=True)
        transfuse.on_update(remember)
        import shop

    def edit(count):
        for at in range(count):
            save(at + 2)
            published(at + 1)
        print(*outcomes, transfuse.import_module("shop").told())
"""
# In 2017; the program sees that time, and the files of its own file system.
WORLDS = {
    "freezegun": """
        import freezegun
        with freezegun.freeze_time("2017-07-14 02:40:00"):
            begin()
            edit(2)
        """,
    "freezegun, later": """
        import freezegun
        begin()
        with freezegun.freeze_time("2017-07-14 02:40:00"):
            edit(2)
        """,
    "time-machine": """
        import time_machine
        with time_machine.travel(1_500_000_000, tick=False):
            begin()
            edit(2)
        """,
    "pyfakefs": """
        import time
        from pyfakefs.fake_filesystem_unittest import Patcher
        begin()
        with Patcher() as patcher:
            patcher.fs.create_file("/in/the/program")
            edit(2)
        """,
    "switch interval": "sys.setswitchinterval(1e-6)\nbegin()\nedit(3)",
    "tracemalloc": "import tracemalloc\ntracemalloc.start(25)\nbegin()\nedit(2)",
    "faulthandler": "import faulthandler\nfaulthandler.enable()\nbegin()\nedit(2)",
    "coverage": """
        import coverage
        measured = coverage.Coverage(data_file=None, include=["*/shop.py"])
        measured.start()
        begin()
        edit(2)
        measured.stop()
        _, lines, _, missing, _ = measured.analysis2("shop.py")
        print(lines, missing)
        """,
    "debugger": """
        import bdb

        class Debugger(bdb.Bdb):
            def user_line(self, frame):
                if frame.f_code.co_name == "told":
                    stops.append(frame.f_lineno)
                self.set_continue()

        stops = []
        debugger = Debugger()
        begin()
        debugger.set_break("shop.py", 5)
        debugger.runcall(edit, 2)
        print(stops)
        """,
}
FROZEN = "(3, 1500000000, False)"
EXPECTED = {
    "freezegun": [f"published published {FROZEN}"],
    "freezegun, later": [f"published published {FROZEN}"],
    "time-machine": [f"published published {FROZEN}"],
    "coverage": ["[2, 4, 5] []"],
    "debugger": ["[5]"],
}


@pytest.mark.parametrize("world", WORLDS)
def test_p11_what_a_program_replaces_does_not_reach_updates(tmp_path: Path, world: str) -> None:
    story = textwrap.dedent(WORLDS[world])
    told = python(tmp_path, f"SHOP = {SHOP!r}", BEGIN, story)
    editions = 4 if world == "switch interval" else 3
    assert told[0].startswith(f"{'published ' * (editions - 1)}({editions}, ")
    if world == "pyfakefs":
        assert told[0].endswith("True)")
    expected = EXPECTED.get(world)
    if expected is not None:
        assert told[-1:] == expected
