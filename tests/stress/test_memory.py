"""P8: after ten thousand updates there is no more in memory than after five hundred."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stress.scale import times
from support.interpreter import python

UPDATES = times(1_500, 10_000)

# Three modules, of which one or two run in each update; a unit of work is pinned over some of them.
_MANY = """
    import gc, os, sys, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    def save(name, number):
        (root / name).write_text(
            f"N = {number}\\nclass Row:\\n    def n(self): return N\\n"
            + ("import conf\\nROWS = [conf.Row() for _ in range(9)]\\n" if name == "web.py" else "")
        )
    save("conf.py", 0); save("web.py", 0); save("idle.py", 0)
    transfuse.install(roots=[root], watch=False, policy="POLICY", keep=2)
    import web, idle
    def resident():
        gc.collect()
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    def objects():
        gc.collect()
        return len(gc.get_objects())
    pin = None
    for number in range(1, UPDATES + 1):
        save("conf.py" if number % 3 else "web.py", number)
        report = transfuse.update()
        assert report.outcome == "published", report
        if number % 10 == 0:
            pin = transfuse.pin(); pin.__enter__(); web.ROWS[0].n()
        elif pin is not None and number % 10 == 4:
            pin.__exit__(None, None, None); pin = None
        if number == 500:
            first, held = resident(), objects()
            blocks = sys.getallocatedblocks()
    if pin is not None:
        pin.__exit__(None, None, None); pin = None
    grown = resident() - first
    gc.collect()
    status = transfuse.status()
    assert len(status.kept) == 2 and not status.draining and not status.lingering, status
    more = objects() - held
    assert abs(more) < 1_000, f"{more} objects more"
    assert sys.getallocatedblocks() - blocks < 5_000, sys.getallocatedblocks() - blocks
    assert grown < 5 << 20, f"grown by {grown / 2**20:.1f} MiB"
    print("no more than before")
"""


@pytest.mark.slow
@pytest.mark.timeout(times(120, 900))
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux what is resident")
def test_p8_many_updates(tmp_path: Path, policy: str) -> None:
    code = _MANY.replace("POLICY", policy).replace("UPDATES", str(UPDATES))
    assert python(tmp_path, code, cap=times(110, 850)) == ["no more than before"]


# How often each object that outlives an update is referred to, before and after many of them.
_COUNTS = """
    import gc, os, sys, transfuse
    from pathlib import Path
    root = Path(os.getcwd())
    (root / "conf.py").write_text("N = 0\\n")
    (root / "web.py").write_text("import conf\\nN = 0\\nclass C: pass\\n")
    transfuse.install(roots=[root], watch=False, keep=0)
    import web
    # The interpreter notes names of attributes by type, and puts None where it has none (3.11).
    forget = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    facade = sys.modules["web"]
    watched = [None, True, (), "", type, object, dict, facade, sys.modules["conf"], sys.modules,
               sys.path, transfuse, transfuse._core.Pin, __import__, sys.meta_path]
    def rounds(count):
        for number in range(count):
            (root / "conf.py").write_text(f"N = {number}, {count}\\n")
            assert transfuse.update().ok
            with transfuse.pin():
                import conf, web
                web.C(); facade.N; dir(facade); repr(facade)
                try:
                    import nowhere_at_all
                except ImportError:
                    pass
                try:
                    facade.nothing
                except AttributeError:
                    pass
            (root / "web.py").write_text("1/0")
            assert not transfuse.update().ok
            (root / "web.py").write_text("import conf\\nN = 1\\nclass C: pass\\n")
            transfuse.update(); transfuse.plan(); transfuse.status()
        gc.collect()
        forget()
        return [sys.getrefcount(each) for each in watched], sys.getallocatedblocks()
    rounds(50)
    before, blocks = rounds(20)
    after, more = rounds(ROUNDS)
    immortal = 1 << 28
    wrong = [(repr(each)[:40], was, now) for each, was, now in zip(watched, before, after)
             if was < immortal and abs(now - was) > 20]
    assert not wrong, wrong
    assert more - blocks < 200, f"{more - blocks} blocks more"
    print("even")
"""


@pytest.mark.slow
@pytest.mark.timeout(times(120, 900))
def test_no_reference_is_lost_or_kept(tmp_path: Path) -> None:
    code = _COUNTS.replace("ROUNDS", str(times(300, 5_000)))
    assert python(tmp_path, code, cap=times(60, 850)) == ["even"], sys.version
