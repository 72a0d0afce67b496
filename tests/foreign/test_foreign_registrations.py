"""What live code registers in foreign places when it runs ends with its generation."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import transfuse
from transfuse.registrations import exchange
from transfuse.registrations.search import Search
from transfuse.updates import participants

if TYPE_CHECKING:
    from conftest import LiveTree

PLUGIN = """\
    import outside

    EDITION = {0}

    @outside.register
    def tell():
        return EDITION
"""


def library(monkeypatch: pytest.MonkeyPatch, source: str) -> Any:
    """Make a foreign module `outside` from source."""
    module: Any = ModuleType("outside")
    monkeypatch.setitem(sys.modules, "outside", module)
    exec(source, vars(module))
    return module


REGISTER = {
    "list": "all = []\ndef register(f):\n    all.append(f)\n    return f\n",
    "deque": "from collections import deque\nall = deque()\n"
    "def register(f):\n    all.append(f)\n    return f\n",
    "set": "all = set()\ndef register(f):\n    all.add(f)\n    return f\n",
    "weak set": "from weakref import WeakSet\nall = WeakSet()\n"
    "def register(f):\n    all.add(f)\n    return f\n",
    "dict of numbers": "_all = {}\n"
    "def register(f):\n    _all[id(f)] = f\n    return f\n"
    "class All:\n    def __iter__(self):\n        return iter(list(_all.values()))\nall = All()\n",
    "wrapped": "all = []\ndef register(f):\n    def wrapper():\n        return f()\n"
    "    all.append(wrapper)\n    return f\n",
    "attribute": "class Hub:\n    def __init__(self):\n        self.them = []\n"
    "    def __iter__(self):\n        return iter(self.them)\n"
    "all = Hub()\ndef register(f):\n    all.them.append(f)\n    return f\n",
    "tuple": "_all = []\nclass All:\n    def __iter__(self):\n"
    "        return (f for _, f in _all)\nall = All()\n"
    "def register(f):\n    _all.append(('event', f))\n    return f\n",
}


@pytest.mark.parametrize("how", REGISTER)
def test_p5_a_registration_is_replaced_by_that_of_the_new_run(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    outside = library(monkeypatch, REGISTER[how])
    tree.write({"plugin.py": PLUGIN.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3, 4):
        tree.published({"plugin.py": PLUGIN.format(edition)})
        assert [each() for each in outside.all] == [edition]


def test_p5_the_order_is_that_of_a_fresh_start(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    tree.write({"first.py": PLUGIN.format(1), "second.py": PLUGIN.format(2)})
    tree.install()
    tree.module("first")
    tree.module("second")
    tree.published({"first.py": PLUGIN.format(3)})
    assert [each() for each in outside.all] == [3, 2]
    tree.published({"first.py": PLUGIN.format(4)})
    assert [each() for each in outside.all] == [4, 2]


def test_p4_a_refused_update_leaves_no_registration(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    tree.write({"plugin.py": PLUGIN.format(1)})
    tree.install()
    tree.module("plugin")
    report = tree.update({"plugin.py": PLUGIN.format(2) + "\n    raise ValueError\n"})
    assert report.outcome == "refused"
    assert [each() for each in outside.all] == [1]


def test_p8_a_rollback_puts_registrations_back(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    tree.write({"plugin.py": PLUGIN.format(1)})
    tree.install(keep=3)
    tree.module("plugin")
    tree.published({"plugin.py": PLUGIN.format(2)})
    tree.published({"plugin.py": PLUGIN.format(3)})
    transfuse.rollback(2)
    assert [each() for each in outside.all] == [2]
    transfuse.rollback(1)
    assert [each() for each in outside.all] == [1]
    tree.published({"plugin.py": PLUGIN.format(4)})
    assert [each() for each in outside.all] == [4]


def test_p8_what_was_registered_does_not_stay_in_memory(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    tree.write({"plugin.py": PLUGIN.format(1)})
    tree.install(keep=0)
    tree.module("plugin")
    old = weakref.ref(tree.module("plugin").tell)
    tree.published({"plugin.py": PLUGIN.format(2)})
    gc.collect()
    assert old() is None
    assert len(outside.all) == 1


def test_p8_what_a_request_registered_stays(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    plugin = PLUGIN + (
        "\n    class Job:\n        edition = EDITION\n        def __call__(self):\n"
        "            return 'job', self.edition\n"
        "\n    def handle():\n        outside.register(Job())\n"
    )
    tree.write({"plugin.py": plugin.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3, 4):
        with transfuse.pin():
            tree.module("plugin").handle()
        tree.published({"plugin.py": plugin.format(edition)})
    assert [each() for each in outside.all] == [4, ("job", 1), ("job", 2), ("job", 3)]


def test_p7_what_is_carried_stays(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The live list is its module's, and so are the functions in it."""
    library(monkeypatch, "")
    source = """\
        __preserve__ = ["HANDLERS"]
        HANDLERS = []

        @HANDLERS.append
        def tell():
            return {0}
    """
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    handlers = tree.module("plugin").HANDLERS
    tree.published({"plugin.py": source.format(2)})
    tree.published({"plugin.py": source.format(3)})
    assert [each() for each in handlers] == [1, 2, 3]


def test_p8_a_thread_keeps_what_it_holds(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = library(monkeypatch, "import queue\nstop = queue.Queue()\nran = []\n")
    source = """\
        import threading
        import outside

        def work():
            outside.stop.get()
            outside.ran.append({0})

        thread = threading.Thread(target=work)
        thread.start()
    """
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": source.format(2)})
    tree.published({"plugin.py": source.format(3)})
    threads = [each for each in threading.enumerate() if each.name.endswith("(work)")]
    assert len(threads) == 3
    for _ in threads:
        outside.stop.put(None)
    for each in threads:
        each.join(20)
    assert sorted(outside.ran) == [1, 2, 3]


def test_p5_blinker_calls_a_receiver_once(tree: LiveTree) -> None:
    blinker = pytest.importorskip("blinker")
    signal = blinker.signal("tests.foreign.sold")
    source = """\
        from blinker import signal

        @signal("tests.foreign.sold").connect
        def on_sold(sender):
            return {0}
    """
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
        assert [answer for _, answer in signal.send("shop")] == [edition]
    transfuse.rollback()
    assert [answer for _, answer in signal.send("shop")] == [3]


def test_p5_sqlalchemy_calls_a_listener_once(tree: LiveTree) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    source = """\
        from sqlalchemy import event
        from sqlalchemy.engine import Engine
        import outside

        @event.listens_for(Engine, "connect")
        def connected(connection, record):
            outside.ran.append({0})
    """
    outside: Any = ModuleType("outside")
    outside.ran = []
    sys.modules["outside"] = outside
    try:
        early = sqlalchemy.create_engine("sqlite://")
        tree.write({"plugin.py": source.format(1)})
        tree.install()
        tree.module("plugin")
        for edition in (2, 3):
            tree.published({"plugin.py": source.format(edition)})
            outside.ran.clear()
            for engine in (early, sqlalchemy.create_engine("sqlite://")):
                engine.connect().close()
                engine.dispose()
            assert outside.ran == [edition, edition]
    finally:
        del sys.modules["outside"]


def test_p5_what_has_no_counterpart_stays(tree: LiveTree, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = library(monkeypatch, REGISTER["list"])
    tree.write({"plugin.py": PLUGIN.format(1)})
    tree.install()
    tree.module("plugin")
    tree.published({"plugin.py": PLUGIN.format(2).replace("tell", "say")})
    assert [each() for each in outside.all] == [1, 2]


def test_p8_a_copy_that_new_code_makes_of_a_registry_keeps_no_old_code(
    tree: LiveTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients copy the list of handlers when they are made."""
    library(
        monkeypatch,
        REGISTER["list"] + "class Client:\n    def __init__(self):\n        self.them = [*all]\n",
    )
    source = PLUGIN + "\n    client = outside.Client()\n"
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3):
        tree.published({"plugin.py": source.format(edition)})
        assert [each() for each in tree.module("plugin").client.them] == [edition]


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return the searches of the heap, as they come."""
    searches: list[object] = []

    def made(*args: Any) -> Search:
        searches.append(args)
        return Search(*args)

    monkeypatch.setattr(exchange, "Search", made)
    return searches


def test_p5_code_that_only_its_module_holds_costs_no_search(
    tree: LiveTree, searches: list[object]
) -> None:
    source = """\
        import logging

        class Tea:
            class Kind:
                pass
            def price(self):
                return super().__init__, {0}

        def twice(function):
            return lambda: (function(), function())

        @twice
        def make():
            return Tea()

        TEAS = [Tea(), Tea.Kind()]
        log = logging.getLogger("plugin")
    """
    tree.write({"plugin.py": source.format(1), "shop.py": "from plugin import make, Tea\n"})
    tree.install()
    tree.module("shop")
    for edition in (2, 3, 4):
        tree.published({"plugin.py": source.format(edition)})
    assert searches == []


# How new code ends: in the module, in functions that hold its objects, behind another exception.
ENDINGS = {
    "module": "1 / 0\n",
    "function": "def fail(tea):\n    return 1 / 0\nfail(TEA)\n",
    "foreign": "import json\njson.loads('{', object_hook=lambda _: TEA)\n",
    "behind": "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise ValueError(TEA) from e\n",
    "syntax": "tea = 1 +\n",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_p4_a_refusal_whose_code_only_its_frames_hold_costs_no_search(
    tree: LiveTree, searches: list[object], ending: str
) -> None:
    source = "class Tea:\n    def price(self):\n        return 1\nTEA = Tea()\n"
    tree.write({"plugin.py": source})
    tree.install()
    tree.module("plugin")
    assert tree.update({"plugin.py": source + ENDINGS[ending]}).outcome == "refused"
    assert searches == []


def test_p5_listeners_of_sqlalchemy_cost_no_search(tree: LiveTree, searches: list[object]) -> None:
    source = """\
        from sqlalchemy import event
        from sqlalchemy.orm import Session

        class Audit:
            def flushed(self, session, context):
                return {0}

        audit = Audit()
        event.listen(Session, "after_flush", audit.flushed)

        @event.listens_for(Session, "before_flush")
        def before(session, context, instances):
            return {0}
    """
    tree.write({"plugin.py": source.format(1)})
    tree.install()
    tree.module("plugin")
    for edition in (2, 3):
        tree.published({"plugin.py": source.format(edition)})
    assert searches == []


def test_p4_a_refused_startup_costs_no_search(tree: LiveTree, searches: list[object]) -> None:
    class Fails(participants.Participant):
        order = 5

        def staged(self, generation: int, *, on_disk: bool) -> None:  # noqa: ARG002
            tree.module("plugin").start()

    source = "class Tea:\n    pass\ndef start():\n    tea = Tea()\n    1 / 0\n"
    tree.write({"plugin.py": source})
    tree.install()
    tree.module("plugin")
    participants.register(Fails())
    assert tree.update({"plugin.py": source + "TEA = Tea()\n"}).outcome == "refused"
    assert searches == []


def test_p5_requests_that_hold_former_code_cost_no_search(
    tree: LiveTree, searches: list[object]
) -> None:
    """A request that is always under way must not make each update dear."""
    source = """\
        class App:
            def handle(self):
                return {0}

        app = App()
    """
    tree.write({"web.py": source.format(1)})
    tree.install()
    under_way = []
    for edition in (2, 3, 4):
        app = tree.module("web").app
        under_way.append((app, app.handle))
        tree.published({"web.py": source.format(edition)})
    assert [handle() for _, handle in under_way] == [1, 2, 3]
    assert searches == []
