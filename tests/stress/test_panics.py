"""The updating thread outlives faults of the core itself, and says so when it does not."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from support.interpreter import LIVE, python
from support.threads import together
from transfuse import _core
from transfuse.updates import participants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import LiveTree


def fault(what: str) -> BaseException:
    """What a panic of the core is to Python; caught by the core it is that panic again.

    Each extension module that is made with PyO3 has such a class, of the same name.
    """
    kinds = [kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException"]
    return next(kind for kind in kinds if _is_of_core(kind))(what)


def _is_of_core(kind: type[BaseException]) -> bool:
    thrown = kind("raised to see which handlers know it")

    def throw() -> None:
        raise thrown

    try:
        transfuse.once(f"a fault {id(kind)}", throw)
    except BaseException as caught:
        # A panic that the core recognises is raised again as a panic, and is reported again.
        return caught is not thrown
    return False


class Participant:
    """Has a say in updates, and is at fault."""

    order = 0

    def __init__(self, what: BaseException | None) -> None:
        self.what = what
        self.heard: list[str] = []

    def staged(self, generation: int, *, on_disk: bool) -> None:
        del generation, on_disk
        self.heard.append("staged")
        if self.what is not None:
            raise self.what

    def published(self, generation: int) -> None:
        del generation
        self.heard.append("published")

    def abandoned(self, generation: int) -> None:
        del generation
        self.heard.append("abandoned")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("transfuse")
    before = logger.disabled
    logger.disabled = True
    yield
    logger.disabled = before


@pytest.mark.parametrize("watch", [False, True])
def test_p4_a_panic_while_an_update_is_staged_refuses_it(tree: LiveTree, watch: bool) -> None:
    tree.write({"m.py": "V = 1\n"})
    tree.install(watch=watch)
    old = tree.module("m")
    participant = Participant(fault("the sky has fallen"))
    participants.register(participant)
    tree.write({"m.py": "V = 2\n"})
    report = transfuse.update()
    if watch and report.outcome == "unchanged":
        report = tree.wait(lambda report: report.outcome == "refused")
    assert report.outcome == "refused"
    assert "the sky has fallen" in str(report.error)
    assert [str(tree.root / "m.py")] == [change.path for change in report.changed]
    status = transfuse.status()
    assert (1, 1, old) == (status.generation, status.refused, tree.module("m"))
    assert status.failing is not None
    assert status.watching == ("native" if watch else "off")
    participant.what = None
    assert tree.update({"m.py": "V = 3\n"}).outcome in ("published", "unchanged")
    assert (tree.module("m").V, transfuse.status().generation) == (3, 2)


def test_p4_a_panic_in_the_code_of_a_module_is_an_error_of_its_import(tree: LiveTree) -> None:
    tree.write({"m.py": "V = 1\n", "n.py": "import outside_fault\nraise outside_fault.what\n"})
    tree.install()
    tree.module("m")
    met: Any = type(sys)("outside_fault")
    met.what = fault("the sky has fallen")
    sys.modules["outside_fault"] = met
    try:
        for _ in range(2):
            with pytest.raises(transfuse.errors.TransfuseError, match="the sky has fallen"):
                tree.module("n")
        report = tree.update({"m.py": "import n\n"})
        assert report.outcome == "refused"
        assert "the sky has fallen" in str(report.error)
        # No import is under way any more, in neither thread.
        assert tree.published({"m.py": "V = 2\n"}).generation == 2
    finally:
        del sys.modules["outside_fault"]


def test_p4_a_panic_after_the_swap_is_no_refusal(tree: LiveTree) -> None:
    tree.write({"m.py": "import sys\nV = 1\ndef __dispose__(): raise sys.the_fault\n"})
    tree.install()
    sys.the_fault = fault("too late")  # type: ignore[attr-defined]
    tree.module("m")
    assert tree.published({"m.py": "V = 2\n"}).generation == 2
    assert tree.published({"m.py": "V = 3\n"}).generation == 3


def test_a_panic_in_a_callback_hurts_nobody_else(tree: LiveTree) -> None:
    tree.write({"m.py": "V = 1\n"})
    tree.install()
    tree.module("m")

    def callback(_: object) -> None:
        raise fault("not my fault")

    heard: list[int] = []
    ends = [
        transfuse.on_update(callback),
        transfuse.on_update(lambda report: heard.append(report.generation)),
    ]
    try:
        assert tree.published({"m.py": "V = 2\n"}).generation == 2
    finally:
        for end in ends:
            end()
    assert heard == [2]
    assert tree.published({"m.py": "V = 3\n"}).generation == 3


_ENDED = """
    import atexit
    def told():
        print(transfuse.status().watching)
        try:
            transfuse.update()
        except transfuse.errors.TransfuseError as error:
            print(error)
    atexit.register(told)
"""


def test_status_says_that_the_updating_thread_has_ended(tmp_path: Path) -> None:
    assert python(tmp_path, _ENDED, LIVE) == ["ended", "the updating thread has ended"]


@pytest.fixture
def panics_under_locks() -> Iterator[Callable[[bool], list[str]]]:
    """A switch by which each thread panics under each lock before it takes it.

    The core has it where it is built with the feature `testing`, as `make venv` does.
    """
    switch: Callable[[bool], list[str]] = vars(_core)["_panic_under_locks"]
    yield switch
    switch(False)


@pytest.mark.parametrize("watch", [False, True])
def test_p4_imports_and_updates_go_on_after_a_panic_under_each_lock(
    tree: LiveTree, watch: bool, panics_under_locks: Callable[[bool], list[str]]
) -> None:
    panics_under_locks(True)
    tree.write({"shop/__init__.py": "", "shop/tax.py": "RATE = 1\n"})
    tree.write({"web.py": "import shop.tax\ndef app(environ, start_response): return [b'%d']\n"})
    tree.install(watch=watch)
    together(4, lambda number: tree.module(("web", "shop.tax")[number % 2]))
    application = transfuse.wsgi("web:app")
    answered: Any = list
    for rate in range(2, 5):
        with transfuse.pin():
            tree.write({"shop/tax.py": f"RATE = {rate}\n"})
        if transfuse.update().outcome == "unchanged":
            tree.wait(lambda report: report.outcome == "published", after=rate - 2)
        assert tree.module("web").shop.tax.RATE == rate
        assert application({}, answered) == [b"%d"]
    assert tree.update({"web.py": "raise ValueError"}).outcome == "refused"
    assert transfuse.once(f"a value {watch}", lambda: 1) == 1
    assert transfuse.rollback().outcome == "rolled back"
    assert tree.module("web").shop.tax.RATE == 3
    assert (5, 1) == (transfuse.status().generation, transfuse.status().refused)
    transfuse.uninstall()
    # It was no idle switch.
    names = {Path(file).name for file in panics_under_locks(False)}
    owners = {"registry.rs", "single_flight.rs", "runtime.rs", "unit_of_work.rs", "live_module.rs"}
    assert owners | {"listener.rs", "staged_update.rs", "install.rs"} <= names
