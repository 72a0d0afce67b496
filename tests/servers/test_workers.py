"""Several workers of one server switch together, whatever happens to one of them."""

from __future__ import annotations

import random
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest
from crowd import Crowd, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

# Some code says that it runs, and waits until a file is there.
GATED = """
import os, time
open(os.environ["HERE"] + f"/runs-{os.getpid()}", "w").close()
while os.environ.get("WAITS") and not os.path.exists(os.environ["HERE"] + "/go"):
    time.sleep(0.01)
VALUE = 2
"""


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.write(shop="VALUE = 1\n")
    yield crowd
    crowd.end()


def test_p3_workers_switch_together(crowd: Crowd) -> None:
    first, second, third = crowd.start(), crowd.start(), crowd.start()
    for value in range(2, 7):
        crowd.write(shop=f"VALUE = {value}\n")
        crowd.all_serve(value, value)
    apart = re.findall(r"3 workers switched to generation (\d) within", first.log)
    assert apart == ["2", "3", "4", "5", "6"], first.log + second.log + third.log


def test_p4_one_failure_and_all_refuse(crowd: Crowd) -> None:
    """A worker cannot load it, for a reason that the others do not have."""
    failing, other = crowd.start(BROKEN="1"), crowd.start()
    crowd.write(
        shop="import os\nif os.environ.get('BROKEN'): raise OSError('no disk')\nVALUE = 2\n"
    )
    wait_for("a refusal", lambda: "refused" in other.log)
    assert "OSError: no disk" in failing.log
    assert f"process {failing.pid}: " in other.log
    assert "no disk" in other.log
    assert [failing.ask("served()"), other.ask("served()")] == [[1, 1], [1, 1]]
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(2, 3)


def test_a_new_worker_joins_at_the_generation_that_the_others_serve(crowd: Crowd) -> None:
    """On disk there is what they have refused: a worker that took that could not even start."""
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    crowd.write(shop="VALUE = \n")
    wait_for("a refusal", lambda: "SyntaxError" in first.log and "SyntaxError" in second.log)
    second.kill()
    third = crowd.start()
    assert third.served == [2, 2]
    # What is broken is not tried again; the repair is for all.
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(3, 3)


def test_a_rollback_in_one_worker_is_one_in_all(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    late = crowd.start()
    assert second.ask("transfuse.rollback().outcome") == "rolled back"
    # Also in one that has never served the former.
    crowd.all_serve(3, 1)
    assert late.served == [2, 2]
    assert first.ask("transfuse.status().generation") == 3
    crowd.write(shop="VALUE = 4\n")
    crowd.all_serve(4, 4)


def test_who_goes_back_with_another_is_told_of_it(crowd: Crowd) -> None:
    workers = [crowd.start(), crowd.start()]
    for worker in workers:
        worker.ask("setattr(transfuse, 'told', [])")
        worker.ask("transfuse.on_update(lambda r: transfuse.told.append(r.outcome)) and None")
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    assert workers[0].ask("transfuse.rollback().outcome") == "rolled back"
    crowd.all_serve(3, 1)
    wait_for("a report", lambda: workers[1].ask("transfuse.told[1:]"))
    told = [worker.ask("transfuse.told") for worker in workers]
    assert told == [["published", "rolled back"], ["published", "rolled back"]]
    for worker in workers:
        assert "rolled back in" in worker.log
        assert "back to generation 1" in worker.log
        assert worker.ask("len(transfuse.status().set_aside)") == 1
    # Another save does not take it along, in whichever worker; an accepted one is one in all.
    crowd.write(other="VALUE = 1\n")
    crowd.all_serve(4, 1)
    assert workers[1].ask("transfuse.accept().outcome") == "published"
    crowd.all_serve(5, 2)
    for worker in workers:
        assert worker.ask("transfuse.status().set_aside") == []


def test_p4_one_that_cannot_go_back_says_why_and_none_goes(crowd: Crowd, tmp_path: Path) -> None:
    away = tmp_path / "away"
    crowd.write(
        shop=f"import os\nif os.path.exists({str(away)!r}): raise OSError('no disk')\nVALUE = 1\n"
    )
    first = crowd.start()
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    # It has never served the former, and so has to load it.
    late = crowd.start()
    away.touch()
    said = first.ask("(lambda r: [r.outcome, str(r.error)])(transfuse.rollback())")
    assert said[0] == "refused"
    assert f"process {late.pid}: OSError: no disk" in said[1]
    wait_for("the traceback of it", lambda: "OSError: no disk" in late.log)
    crowd.all_serve(2, 2)


def test_an_explicit_update_of_one_is_one_of_all(crowd: Crowd) -> None:
    crowd.settings["watch"] = False
    crowd.start()
    second = crowd.start()
    crowd.write(shop="VALUE = 2\n")
    assert second.ask("transfuse.update().outcome") == "published"
    crowd.all_serve(2, 2)


@pytest.mark.parametrize("victim", ["coordinator", "other"])
def test_p9_a_worker_that_is_killed_while_it_stages_is_not_waited_for(
    crowd: Crowd, tmp_path: Path, victim: str
) -> None:
    here = {"HERE": str(tmp_path)}
    waits = {**here, "WAITS": "1"}
    workers = {
        "coordinator": crowd.start(**(waits if victim == "coordinator" else here)),
        "other": crowd.start(**(waits if victim == "other" else here)),
        "third": crowd.start(**here),
    }
    crowd.write(shop=GATED)
    pid = workers[victim].pid
    wait_for("the code to run", (tmp_path / f"runs-{pid}").exists)
    for name, worker in workers.items():
        if name != victim:
            # It has staged, and waits for the one that has not.
            assert worker.ask("served()") == [1, 1]
    workers.pop(victim).kill()
    crowd.all_serve(2, 2)
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(3, 3)


def test_p9_the_coordinator_is_killed_while_all_wait_and_another_takes_over(
    crowd: Crowd, tmp_path: Path
) -> None:
    here = {"HERE": str(tmp_path)}
    coordinator = crowd.start(**here)
    second, third = crowd.start(**here), crowd.start(**here, WAITS="1")
    crowd.write(shop=GATED)
    for worker in (coordinator, second, third):
        wait_for("it runs", lambda pid=worker.pid: (tmp_path / f"runs-{pid}").exists())  # type: ignore[misc]
    coordinator.kill()
    assert [second.ask("served()"), third.ask("served()")] == [[1, 1], [1, 1]]
    (tmp_path / "go").touch()
    crowd.all_serve(2, 2)
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(3, 3)
    fourth = crowd.start(**here)
    assert fourth.served == [3, 3]


@pytest.mark.parametrize("victim", [0, 1])
def test_p9_a_worker_that_hangs_is_not_waited_for_and_catches_up(crowd: Crowd, victim: int) -> None:
    """Also if it has the coordinator, and also if the disk says by then what all have refused."""
    workers = [crowd.start() for _ in range(3)]
    hangs = workers.pop(victim)
    hangs.signal(signal.SIGSTOP)
    crowd.write(shop="VALUE = 2\n")
    for worker in workers:
        worker.until("served()", [2, 2])
    crowd.write(shop="VALUE = \n")
    wait_for("a refusal", lambda: all("SyntaxError" in worker.log for worker in workers))
    hangs.signal(signal.SIGCONT)
    crowd.all_serve(2, 2)
    crowd.write(shop="VALUE = 3\n")
    crowd.all_serve(3, 3)


def test_workers_that_switch_by_themselves_do_not_meet(crowd: Crowd) -> None:
    crowd.settings["together"] = False
    failing, other = crowd.start(BROKEN="1"), crowd.start()
    crowd.write(
        shop="import os\nif os.environ.get('BROKEN'): raise OSError('no disk')\nVALUE = 2\n"
    )
    other.until("served()", [2, 2])
    wait_for("a refusal", lambda: "OSError: no disk" in failing.log)
    assert failing.ask("served()") == [1, 1]


def test_p9_workers_are_killed_at_any_moment_of_an_update(crowd: Crowd) -> None:
    """Whichever it is and whatever it was doing: those that live serve the same, and the newest."""
    chance = random.Random(20041023)
    workers = [crowd.start() for _ in range(3)]
    for value in range(2, 14):
        victim = workers.pop(chance.randrange(3))
        # From before the first notices the file to after all have published.
        moment = chance.uniform(0.0, 0.06)
        crowd.write(shop=f"VALUE = {value}\n")
        time.sleep(moment)
        victim.kill()
        workers.append(crowd.start())
        for worker in workers:
            worker.until("served()[1]", value)
        generations = {worker.ask("served()[0]") for worker in workers}
        assert len(generations) == 1, [worker.log for worker in workers]


def test_workers_that_are_started_anew_start_with_what_waits_for_that(crowd: Crowd) -> None:
    """A server may start its workers one beside the other: that is the restart they wait for."""
    never = "__reload__ = 'never'\nVALUE = {}\n"
    crowd.write(shop=never.format(1))
    old = crowd.start()
    crowd.write(shop=never.format(2))
    old.until("bool(transfuse.status().restart)", True)
    fresh = crowd.start()
    assert fresh.served[1] == 2
    another = crowd.start()
    assert another.served[1] == 2
    # They switch together, and the old one still serves what it had loaded.
    crowd.write(leaf="VALUE = 1\n")
    assert fresh.ask("transfuse.import_module('leaf').VALUE") == 1
    crowd.write(leaf="VALUE = 2\n")
    for worker in (fresh, another):
        # Until it has switched, the new file belongs to the generation that it stages.
        worker.until("served()[0]", 4)
        assert worker.ask("transfuse.import_module('leaf').VALUE") == 2
    assert old.ask("served()")[1] == 1
    # What is started anew later begins with them.
    old.kill()
    assert crowd.start().served[1] == 2


def test_a_rollback_may_go_to_what_another_one_has_left(crowd: Crowd) -> None:
    """That is what is on disk, and still it is no update that any worker finds by itself."""
    workers = [crowd.start(), crowd.start()]
    crowd.write(shop="VALUE = 2\n")
    crowd.all_serve(2, 2)
    assert workers[0].ask("transfuse.rollback().outcome") == "rolled back"
    crowd.all_serve(3, 1)
    assert workers[0].ask("transfuse.rollback(to=2).outcome") == "rolled back"
    crowd.all_serve(4, 2)


def test_workers_stay_together_while_a_change_waits_for_a_restart(crowd: Crowd) -> None:
    never = "__reload__ = 'never'\nVALUE = {}\n"
    crowd.write(shop="import conf\nVALUE = 1\n", conf=never.format(1))
    workers = [crowd.start(), crowd.start()]
    crowd.write(conf=never.format(2))
    crowd.all_serve(2, 1)
    # An explicit update has nothing to do: what waits goes on to wait.
    assert workers[0].ask("transfuse.update().outcome") == "unchanged"
    crowd.all_serve(2, 1)
    crowd.write(shop="import conf\nVALUE = 2\n")
    crowd.all_serve(3, 2)
    assert workers[1].ask("[each.name for each in transfuse.status().restart]") == ["conf"]
    # A repair of what was refused is told, although something waits.
    crowd.write(shop="import conf\nVALUE =\n")
    wait_for("a refusal", lambda: all("SyntaxError" in worker.log for worker in workers))
    crowd.write(shop="import conf\nVALUE = 2\n")
    wait_for("a word of it", lambda: all("fixed: serving" in worker.log for worker in workers))
    assert workers[1].ask("transfuse.status().failing") is None
    # A rollback leaves it: then nothing waits any more.
    assert workers[1].ask("transfuse.rollback().outcome") == "rolled back"
    crowd.all_serve(4, 1)
    assert workers[0].ask("transfuse.status().restart") == []


def test_what_waits_for_a_restart_takes_no_place_among_the_kept(crowd: Crowd) -> None:
    never = "__reload__ = 'never'\nVALUE = {}\n"
    crowd.write(shop="import conf\nVALUE = 1\n", conf=never.format(0))
    worker = crowd.start()
    crowd.write(shop="import conf\nVALUE = 2\n")
    crowd.all_serve(2, 2)
    for number in range(1, 6):
        crowd.write(conf=never.format(number))
        crowd.all_serve(2 + number, 2)
    assert worker.ask("transfuse.rollback().outcome") == "rolled back"
    assert worker.ask("served()[1]") == 1
