"""Namespaces that are written to while they are read, errors that look like no other, odd calls.

What the updating thread outlives, and what it leaves behind. Panics are in `test_panics.py`.
"""

from __future__ import annotations

import gc
import math
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import LIVE, python

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import LiveTree


LAZY = """
    class Settings:
        def __getattr__(self, name):
            global _loaded
            _loaded = {"x": 1}
            if name.startswith("__"):
                raise AttributeError(name)
            return _loaded[name]
    settings = Settings()
    V = 1
    """


def test_p4_code_that_binds_names_in_the_old_namespace_while_it_is_read(tree: LiveTree) -> None:
    # `Late` answers by a property of its module's, which binds a name each time.
    tree.write(
        {
            "late.py": """
            import sys
            def __getattr__(name):
                web = sys.modules["web"]
                for number in range(50):
                    setattr(web, f"bound_{len(vars(web))}_{number}", 1)
                raise AttributeError(name)
            """
            + "".join(f"\nclass C{n}:\n    pass" for n in range(5)).replace("\n", "\n" + " " * 12),
            "web.py": "import late\n"
            + "".join(f"def keep{n}(): pass\n" for n in range(5))
            + "def fill():\n"
            + "".join(f"    global x{n}\n    x{n} = late.C{n}\n" for n in range(5))
            + "V = 1\n",
        }
    )
    tree.install()
    tree.module("web").fill()
    for number in range(2, 5):
        tree.published(
            {
                "late.py": (tree.root / "late.py").read_text().split("\nclass")[0] + "\n",
                "web.py": (tree.root / "web.py")
                .read_text()
                .replace("V = ", f"N{number} = 1\nV = "),
            }
        )
        assert getattr(tree.module("web"), f"N{number}") == 1


def test_p4_lazy_settings_that_fill_themselves(tree: LiveTree) -> None:
    tree.write({"m.py": LAZY})
    tree.install()
    tree.module("m")
    tree.published({"m.py": LAZY.replace("V = 1", "V = 2")})
    assert tree.module("m").V == 2


EXEC = "about = {}\nexec(compile('1 / 0', 'version.py', 'exec'), about)\n"


@pytest.mark.parametrize("globals_", ["{}", "{'__name__': 7}", "{'__name__': '..'}"])
def test_p4_an_error_in_code_that_says_module_and_is_none(tree: LiveTree, globals_: str) -> None:
    tree.write({"m.py": "V = 1\n", "n.py": "def told():\n    import m\n    return m.V\n"})
    tree.install()
    tree.module("m")
    told = tree.module("n").told
    seen: list[tuple[str, int]] = []
    unsubscribe = transfuse.on_update(lambda report: seen.append((report.outcome, told())))
    report = tree.update({"m.py": EXEC.replace("{}", globals_)})
    assert isinstance(report.error, ZeroDivisionError)
    assert "m.py" in report.traceback
    tree.published({"m.py": "V = 2\n"})
    # The updating thread is pinned to nothing in between.
    assert seen == [("refused", 1), ("published", 2)]
    unsubscribe()


def test_p4_the_time_limit_of_an_update_that_failed_hits_no_other(tree: LiveTree) -> None:
    limit = 2.0
    tree.write({"m.py": "V = 1\n", "n.py": "W = 1\n"})
    tree.install(time_limit=limit)
    tree.module("m")
    tree.module("n")
    begun = time.monotonic()
    assert tree.update({"m.py": EXEC}).outcome == "refused"
    tree.published({"m.py": "V = 2\n"})
    ended: list[BaseException | None] = []

    def callback(_: object) -> None:
        # In the updating thread, until the limit of before is over, and not its own.
        try:
            while time.monotonic() < begun + 1.2 * limit:
                time.sleep(0.01)
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    unsubscribe = transfuse.on_update(callback)
    while time.monotonic() < begun + limit / 2:
        time.sleep(0.01)
    tree.published({"n.py": "W = 2\n"})
    assert ended == [None]
    unsubscribe()


@pytest.mark.parametrize(
    "says",
    [
        "pass",
        "self.__qualname__ = 7",
        "self.__qualname__ = 'Deco.no.such'",
        "self.__qualname__ = ''",
    ],
)
def test_p4_a_wrapper_that_does_not_say_where_it_was_made(tree: LiveTree, says: str) -> None:
    deco = """
        class Deco:
            def __init__(self, f):
                self.__wrapped__ = f
                {says}
            def __call__(self, *a): return self.__wrapped__(*a)
            def __getattr__(self, name): raise RuntimeError(name)
        @Deco
        def f(): return {number}
        """
    tree.write(
        {
            "x.py": deco.format(says=says, number=1),
            "m.py": "from x import f\nV = f()\n",
            "app.py": "import x\nimport m\n",
        }
    )
    tree.install()
    tree.module("app")
    tree.published({"x.py": deco.format(says=says, number=2)})
    assert tree.module("m").V == 2


@pytest.mark.parametrize("timeout", [-1, math.nan, math.inf, 1e19, -math.inf])
def test_a_senseless_timeout_is_refused_before_anything_is_asked(
    tree: LiveTree, timeout: float
) -> None:
    tree.write({"m.py": "V = 1\n"})
    tree.install()
    tree.module("m")
    tree.write({"m.py": "V = 2\n"})
    with pytest.raises(ValueError, match="timeout"):
        transfuse.update(timeout=timeout)
    assert (tree.module("m").V, transfuse.status().updates) == (1, 0)


def test_a_store_of_any_size_is_one_without_a_limit(tree: LiveTree) -> None:
    tree.write({"m.py": "V = 1\n"})
    tree.install(store=2**44)
    tree.module("m")
    assert transfuse.status().stored_bytes > 0


@pytest.mark.parametrize("facade", ["m", "p"])
def test_p11_names_that_cannot_be_written_down(tree: LiveTree, facade: str) -> None:
    tree.write({"m.py": "V = 1\n", "p/__init__.py": "", "p/s.py": ""})
    tree.install()
    tree.module("p.s")
    tree.module("m")
    shown: Any = sys.modules[facade]
    assert not hasattr(shown, "\ud800")
    setattr(shown, "\ud800", 3)
    assert getattr(shown, "\ud800") == 3
    delattr(shown, "\ud800")
    assert not hasattr(shown, "\ud800")
    for name in ("\ud800", "p.\ud800"):
        with pytest.raises(ModuleNotFoundError):
            transfuse.import_module(name)


def test_a_rollback_runs_each_module_once_that_has_to_run_again(tree: LiveTree) -> None:
    source = "__reload__ = '{0}'\nV = {1}\ndef __dispose__(): pass\n"
    tree.write({"m.py": source.format("patch", 1), "w.py": "import m\n"})
    tree.install()
    tree.module("w")
    tree.published({"m.py": source.format("patch", 2)})
    tree.published({"m.py": source.format("fresh", 3)})
    for to in (1, 2):
        report = transfuse.rollback(to)
        assert report.outcome == "rolled back"
        names = [step.name for step in report.ran]
        assert len(names) == len(set(names))
        assert tree.module("m").V == to


def test_p8_uninstall_lets_go_of_the_last_generation(tree: LiveTree) -> None:
    names = ("shop", "shop.tax", "web")
    tree.write(
        {
            "shop/__init__.py": "",
            "shop/tax.py": "class Big: pass\nbig = Big()\n",
            "web.py": "import sys\nfrom shop import tax\n"
            "sys.modules[__name__] = own = type(sys)('own')\nown.tax = tax\n",
        }
    )
    tree.install()
    held: list[weakref.ref[Any]] = []

    def note() -> None:
        for name in names:
            module = tree.module(name)
            held.append(weakref.ref(module))
        held.append(weakref.ref(tree.module("shop.tax").big))

    note()
    tree.published({"shop/tax.py": "class Big: pass\nbig = Big()\nRATE = 2\n"})
    note()
    assert tree.update({"shop/tax.py": "RATE = = 3\n"}).outcome == "refused"
    tree.reports.clear()
    transfuse.uninstall()
    for name in names:
        del sys.modules[name]
    gc.collect()
    assert [ref() for ref in held] == [None] * len(held)


_INTERRUPT = """
    import signal
    import importlib._bootstrap_external
    signal.signal(signal.SIGINT, signal.default_int_handler)
    open("k.py", "w").write("V = 1\\n")
    def trace(frame, event, arg):
        if frame.f_code.co_name == "cache_from_source" and event == "call":
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
    import sys
    sys.settrace(trace)
    try:
        import k
        print("went on")
    except KeyboardInterrupt:
        print("interrupted")
    sys.settrace(None)
    import k
    print(k.V)
"""


def test_ctrl_c_is_not_lost_while_precompiled_code_is_looked_for(tmp_path: Path) -> None:
    assert python(tmp_path, LIVE, _INTERRUPT) == ["interrupted", "1"]


_PROFILED = """
    import faulthandler, sys
    from pathlib import Path
    Path("m.py").write_text("V = 1\\n")
    transfuse.install(roots=["."], watch=False, time_limit=0.3)
    import m
    def profiled():
        # If it hangs, it hangs in the interpreter.
        faulthandler.dump_traceback_later(20, exit=True)
        entered = []
        def called():
            pass
        sys.setprofile(lambda frame, event, arg: entered.append(frame.f_code.co_name))
        called()
        sys.setprofile(None)
        faulthandler.cancel_dump_traceback_later()
        print(entered[0])
    Path("m.py").write_text("V = 2\\n")
    print(transfuse.update().outcome)
    profiled()
    # The limit ends the update, or is reached when C code returns and that is the end of it.
    for code in ("while True: pass", "import time; time.sleep(0.6)"):
        Path("m.py").write_text(f"V = 3\\n{code}\\n")
        print(type(transfuse.update().error).__name__)
        profiled()
"""


def test_p10_after_an_update_code_can_be_profiled(tmp_path: Path) -> None:
    called, limit = "called", "TimeLimitExceeded"
    told = python(tmp_path, "import transfuse", _PROFILED)
    assert told == ["published", called, limit, called, limit, called]
