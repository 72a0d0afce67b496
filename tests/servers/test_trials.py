"""A trial of several workers is one: it begins, goes back and is confirmed in all of them."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from crowd import Crowd, Worker, wait_for

from demo.client import Client
from support.serving import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.servers

LONG = 600


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    root = tmp_path / "site"
    root.mkdir()
    crowd = Crowd(root, tmp_path)
    crowd.settings["watch"] = False
    crowd.write(shop="VALUE = 1\n")
    yield crowd
    crowd.end()


def on_trial(worker: Worker, seconds: float = LONG) -> None:
    outcome = worker.ask(f"transfuse.update(confirm_within={seconds}).outcome")
    assert outcome == "published", worker.log


def until_trials_are(expected: Any, *workers: Worker) -> None:
    """Wait for what is on trial in each: that is noted a moment after the switch."""
    for worker in workers:
        worker.until(f"(lambda t: t and [t.generation, t.back_to])({TRIAL})", expected)
        if expected is not None:
            worker.until(f"{RUNNING}.now == transfuse.status().generation", True)


RUNNING = "__import__('transfuse.updates.trial_state').updates.trial_state.HERE.running"
TRIAL = "transfuse.status().trial"
KEY = "__import__('transfuse.updates.trial').updates.trial.told()['key']"
ALARM = "__import__('transfuse.updates.trial').updates.trial.alarm({key!r}, 'enough')"


def both_on_trial(crowd: Crowd) -> tuple[Worker, Worker]:
    """Start two workers, and put `VALUE = 2` on trial in both."""
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(first)
    crowd.all_serve(2, 2)
    until_trials_are([2, 1], first, second)
    return first, second


def alarm(worker: Worker) -> None:
    worker.ask(ALARM.format(key=worker.ask(KEY)))


def test_p16_what_one_was_asked_for_is_on_trial_in_all(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(second)
    crowd.all_serve(2, 2)
    until_trials_are([2, 1], first, second)
    assert first.ask(KEY) == second.ask(KEY)
    # Asked for anew in the other, it ends soon. All have a clock, and it is one rollback.
    crowd.write(shop="VALUE = 3\n")
    on_trial(first, 1)
    crowd.all_serve(4, 1)
    for worker in (first, second):
        wait_for("the line", lambda w=worker: "rolled back in" in w.log)  # type: ignore[misc]
        assert "not confirmed within 1 s: back to generation 1" in worker.log
        assert worker.log.count("rolled back in") == 1
        assert len(worker.ask("[str(p) for p in transfuse.status().set_aside]")) == 1
    until_trials_are(None, first, second)


def test_p16_confirmed_in_one_it_stays_in_all(crowd: Crowd) -> None:
    workers = [crowd.start() for _ in range(3)]
    crowd.write(shop="VALUE = 2\n")
    on_trial(workers[0])
    crowd.all_serve(2, 2)
    until_trials_are([2, 1], *workers)
    assert workers[1].ask("transfuse.confirm().generation") == 2
    for worker in workers:
        worker.until(f"{TRIAL} is None", True)
        wait_for("the line", lambda w=worker: "confirmed: generation 2 stays" in w.log)  # type: ignore[misc]
    crowd.write(shop="VALUE = 3\n")
    workers[2].ask("transfuse.update().outcome")
    crowd.all_serve(3, 3)
    until_trials_are(None, *workers)


def test_p16_one_that_goes_back_takes_all_along_and_a_save_in_between(crowd: Crowd) -> None:
    first, second = crowd.start(), crowd.start()
    crowd.write(shop="VALUE = 2\n")
    on_trial(first)
    crowd.write(shop="VALUE = 3\n")
    assert second.ask("transfuse.update().outcome") == "published"
    crowd.all_serve(3, 3)
    until_trials_are([2, 1], first, second)
    alarm(second)
    crowd.all_serve(4, 1)
    for worker in (first, second):
        wait_for("the line", lambda w=worker: "rolled back in" in w.log)  # type: ignore[misc]
        assert "enough: back to generation 1" in worker.log
    until_trials_are(None, first, second)


@pytest.mark.parametrize("victim", [0, 1])
def test_p16_a_worker_that_starts_during_a_trial_is_part_of_it(crowd: Crowd, victim: int) -> None:
    workers = [crowd.start(), crowd.start()]
    crowd.write(shop="VALUE = 2\n")
    on_trial(workers[0])
    crowd.all_serve(2, 2)
    until_trials_are([2, 1], *workers)
    workers.pop(victim).kill()
    late = crowd.start()
    assert late.served == [2, 2]
    late.until(f"{TRIAL} is not None", True)
    until_trials_are([2, 1], late, *workers)
    assert late.ask(KEY) == workers[0].ask(KEY)
    # It has never had the former generation, and goes back with the other.
    alarm(workers[0])
    crowd.all_serve(3, 1)
    until_trials_are(None, late, *workers)
    wait_for("the line", lambda: "enough: back to generation 1" in late.log)


def test_p16_a_confirmation_refuses_a_rollback_that_others_are_about_to_make(crowd: Crowd) -> None:
    """One has not heard of it: all stay, or all go back."""
    first, second = both_on_trial(crowd)
    # The others are not told.
    second.ask("__import__('transfuse.updates.trial').updates.trial.share_with(None)")
    assert second.ask("transfuse.confirm().generation") == 2
    alarm(first)
    wait_for("a refusal", lambda: "the trial is over: confirmed" in first.log)
    crowd.all_serve(2, 2)


def test_p16_a_worker_that_slept_through_the_end_of_a_trial_does_not_go_back(crowd: Crowd) -> None:
    """Its clock has run out, and something newer is served by then."""
    first, second = both_on_trial(crowd)
    # Its time is up as soon as it goes on.
    stop = "__import__('os').kill(__import__('os').getpid(), 19)"
    second.tell(f"{stop} or {ALARM.format(key=second.ask(KEY))}")
    assert first.ask("transfuse.confirm().generation") == 2
    crowd.write(shop="VALUE = 3\n")
    assert first.ask("transfuse.update().outcome") == "published"
    second.signal(signal.SIGCONT)
    second.answer()
    crowd.all_serve(3, 3)
    second.until(f"{TRIAL} is None", True)
    assert "rolled back" not in first.log + second.log


def test_a_rollback_by_hand_ends_the_trial_of_all(crowd: Crowd) -> None:
    first, second = both_on_trial(crowd)
    assert second.ask("transfuse.rollback().outcome") == "rolled back"
    crowd.all_serve(3, 1)
    until_trials_are(None, first, second)


# Real servers, and the command line.

APPS = {
    "wsgi": """
def app(environ, start_response):
    if environ["PATH_INFO"] in {0!r}:
        start_response("503 Service Unavailable", [])
        return [b"no"]
    start_response("200 OK", [])
    return [b'{{"value": {1}}}']
""",
    "asgi": """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({{"type": kind + ".complete"}})
            if kind == "lifespan.shutdown":
                return
    if scope["path"] in {0!r}:
        raise LookupError("broken")
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b'{{"value": {1}}}'}})
""",
    "rsgi": """
async def app(scope, protocol):
    if scope.path in {0!r}:
        protocol.response_empty(status=500, headers=[])
        return
    protocol.response_str(200, [], '{{"value": {1}}}')
""",
}
SERVE = "transfuse serve web:app --no-watch --workers {workers} --port {port}"
COMMANDS = {
    "wsgi": SERVE,
    "asgi": SERVE,
    "rsgi": "granian --interface rsgi --workers {workers} --port {port} serve:app",
}


class Place(Project):
    """A folder with an application of one interface, served without watching."""

    def __init__(self, folder: Path, runtime: Path, interface: str) -> None:
        super().__init__(folder, runtime)
        self._interface = interface
        with (folder / "pyproject.toml").open("a") as settings:
            settings.write("watch = false\n")
        (folder / "serve.py").write_text(
            "import logging, transfuse\n"
            "logging.basicConfig(level=logging.INFO)\n"
            f"app = transfuse.{interface}('web:app')\n"
        )

    def begin_serving(self, workers: int) -> None:
        self.save_value(1, "/f")
        self.serve_by(*COMMANDS[self._interface].format(workers=workers, port=self.port).split())
        self.until("all workers", lambda: len(self.statuses()) == workers)

    def save_value(self, value: int, *failing: str) -> None:
        self.save({"web.py": APPS[self._interface].format(list(failing), value)})

    def get(self, path: str = "/") -> int:
        """Ask on a connection of its own, so that each worker has its part."""
        client = Client(self.port)
        try:
            answer = client.get(path)
            return int(answer.content["value"]) if answer.status == 200 else 0
        finally:
            client.close()

    def counted(self) -> list[int]:
        """The requests of all workers in the generation that is served, and the failed ones."""
        of_each = [
            counts
            for each in self.statuses()
            for number, *counts in each["requests"]
            if number == each["generation"]
        ]
        return [sum(column) for column in zip(*of_each, strict=True)]


@pytest.fixture
def serve(tmp_path: Path, runtime: Path) -> Iterator[Callable[[str, int], Place]]:
    served: list[Place] = []

    def make(interface: str, workers: int) -> Place:
        served.append(Place(tmp_path, runtime, interface))
        served[0].begin_serving(workers)
        return served[0]

    yield make
    for place in served:
        place.end()


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "rsgi"])
@pytest.mark.parametrize("workers", [1, 2])
def test_p16_a_server_goes_back_at_once_when_requests_fail(
    serve: Callable[[str, int], Place], interface: str, workers: int
) -> None:
    place = serve(interface, workers)
    before, _ = place.counted()
    for number in range(300):
        assert place.get("/f" if number == 150 else "/") == (0 if number == 150 else 1)
    assert place.counted() == [before + 300, 1]

    place.save_value(2, "/f", "/g")
    code, out = place.type("update", "--confirm-within", "1h")
    assert (code, "on trial until" in out) == (0, True), out
    answers: list[int] = []
    while len(answers) < 4_000 and 1 not in answers:
        answers.append(place.get("/g" if len(answers) % 2 else "/"))
    assert {0, 2} < set(answers), place.log
    told = r"rolled back in .*?: (.*?): back to generation 1"
    wait_for("the lines", lambda: len(re.findall(told, place.log)) == workers)
    (why,) = set(re.findall(told, place.log))
    found = re.fullmatch(r"(\d+) of (\d+) requests failed, before 1 of (\d+)", why)
    assert found is not None, why
    assert int(found[1]) <= answers.count(0)
    assert int(found[3]) == before + 300
    assert [each["trial"] for each in place.statuses()] == [None] * workers
    assert {place.get("/g") for _ in range(20)} == {1}
    _, out = place.type("history")
    assert "taken back: " + why in out
    # It is set aside: no later update takes it along.
    assert "set aside" in place.type("update")[1]
    assert place.get("/g") == 1


def test_p16_the_command_line_of_a_trial(serve: Callable[[str, int], Place]) -> None:
    place = serve("wsgi", 2)
    code, out = place.type("confirm")
    assert (code, out.count("nothing is on trial; serving generation 1")) == (2, 2), out
    code, out = place.type("update", "--confirm-within", "soon")
    assert (code, "'soon' is no time, such as 90, 90s, 2m or 1h" in out) == (2, True), out
    code, out = place.type("update", "--confirm-within", "2m")
    assert (code, "trial: none has begun" in out) == (0, True), out

    place.save_value(2)
    code, out = place.type("update", "--confirm-within", "1h", "--json")
    trial = json.loads(out.splitlines()[0])["trial"]
    assert (code, trial["generation"], trial["back_to"], trial["seconds"]) == (0, 2, 1, 3600.0)
    assert "then back to generation 1" in place.type("status")[1]
    code, out = place.type("handover")
    assert (code, "is on trial" in out) == (1, True), out
    code, out = place.type("confirm", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, [each["outcome"] for each in told]) == (0, ["confirmed"] * 2)
    assert "confirmed at" in place.type("history")[1]
    assert [each["trial"] for each in place.statuses()] == [None] * 2

    place.save_value(3)
    place.type("update", "--confirm-within", "1")
    wait_for("a rollback", lambda: {place.get() for _ in range(10)} == {2})
    assert ": not confirmed within 1 s: back to generation 2" in place.log
    assert place.type("confirm")[0] == 2


def test_a_held_change_is_on_trial_when_it_is_released(serve: Callable[[str, int], Place]) -> None:
    place = serve("wsgi", 1)
    place.type("update", "--hold")
    place.save_value(2)
    code, out = place.type("update", "--release", "--confirm-within", "1h")
    assert (code, "on trial until" in out) == (0, True), out
    assert place.statuses()[0]["trial"]["back_to"] == 1
