"""Would `make test-apps` see a wrong answer, a slow update, and memory that grows?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from apps.answers import differences, unhealthy
from apps.bars import failing, most_cpu, served, verdicts
from apps.inside.caller import Asgi, Wsgi
from apps.known import KNOWN
from apps.results import Latency, Memory, Result, Start, Step
from apps.table import APPS
from apps.trial import _changes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

APP = APPS[0]._replace(name="shop", requests=(APPS[0].requests[0],), unsteady=(r"id=\d+",))
REQUEST = {"method": "POST", "path": "/a%20b?c=d", "headers": [["X-Name", "x"]], "body": "sent"}


def answer(body: str, status: str = "200") -> dict[str, str]:
    return {"status": status, "type": "text/plain", "body": body}


def step(**changed: Any) -> Step:
    values = {
        "kind": "leaf",
        "path": "shop.py",
        "outcome": "published",
        "ran": [["shop", "changed"]],
        "cpu": 0.1,
        "seconds": 0.1,
        "executing": 0.1,
        "importing": 1.0,
        "modules": 10,
        "resident": 1000,
        "restart": [],
        "error": None,
        "differing": [],
    }
    return Step(**{**values, **changed})


def test_requests_may_wait_for_updates_as_for_other_work() -> None:
    made = result(step())
    made.latency = Latency(updates=0.020, beside=0.019, requests=500, cpu=0.1)
    assert "requests" not in missed(made)
    made.latency = Latency(updates=0.030, beside=0.019, requests=500, cpu=0.1)
    assert "requests" in missed(made)
    assert Result.from_json(asdict(made)) == made


def result(*steps: Step, memory: tuple[Memory, ...] = (), trouble: str = "") -> Result:
    made = Result("shop", "Flask", "1.0", "2026-01-01", "3.11", "make test-apps")
    made.plain, made.live = Start(1.0, 1.0, 1000), Start(1.1, 1.1, 1100)
    made.steps, made.memory, made.trouble = list(steps), list(memory), trouble
    return made


def missed(made: Result) -> set[str]:
    return {each.bar for each in verdicts(made) if not each.met}


@pytest.mark.parametrize(
    ("plain", "live", "found"),
    [
        (answer("a"), answer("a"), 0),
        (answer("a"), answer("b"), 1),
        (answer("a"), answer("ab"), 1),
        (answer("a"), answer("a", "404"), 1),
        (answer("id=1"), answer("id=22"), 0),
        (answer("at 2026-01-01T10:00:00.5Z"), answer("at 2026-01-02T11:30:00Z"), 0),
        (answer("/srv/data-plain/x"), answer("/srv/data-live/x"), 0),
    ],
)
def test_differing_answers_are_found(
    plain: dict[str, str], live: dict[str, str], found: int
) -> None:
    assert found == len(differences(APP, [plain], [live]))


def test_failing_requests_are_no_base_for_a_comparison() -> None:
    assert [] == unhealthy(APP, [answer("", "404")])
    assert unhealthy(APP, [answer("", "500")])
    assert unhealthy(APP, [answer("", "raised")])


@pytest.mark.parametrize(
    ("steps", "bars"),
    [
        ([step()], set()),
        ([step(cpu=0.2)], {"update"}),
        ([step(cpu=1.1, executing=2.0)], {"update"}),
        ([step(cpu=0.008, executing=0.001)], set()),
        ([step(ran=[["shop", "changed"]] * 16)], {"leaf"}),
        ([step(differing=["GET /"])], {"answers"}),
        ([step(differing=["GET /"], restart=[["shop", "never-policy", "restart"]])], set()),
        ([step(outcome="refused", error="ValueError")], {"served"}),
        ([step(kind="syntax error", outcome="refused")], set()),
        ([step(kind="syntax error")], {"served"}),
    ],
)
def test_bars_of_an_update(steps: list[Step], bars: set[str]) -> None:
    assert bars == missed(result(*steps))


def test_bars_of_the_start() -> None:
    slow = result()
    slow.live = Start(1.21, 1.21, 1160)
    assert {"import", "first answers", "resident"} == missed(slow)
    assert set() == missed(result())


def test_growth_of_the_first_half_does_not_count() -> None:
    warm = Memory("leaf", "shop.py", [*range(0, 9001, 1500), *[9050] * 6], "", 0, 0, 0.0)
    grows = Memory("leaf", "shop.py", [*range(0, 12001, 1000)], "", 0, 0, 0.06)
    assert set() == missed(result(step(), memory=(warm,)))
    assert {"memory, leaf", "status"} == missed(result(step(), memory=(grows,)))


def test_a_short_series_does_not_meet_the_bar() -> None:
    short = Memory("leaf", "shop.py", [0, 0, 0], "at 2048 MiB", 0, 0, 0.0)
    assert {"memory, leaf"} == missed(result(step(), memory=(short,)))


def test_wrong_answers_and_crashes_fail_the_run_unless_they_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = verdicts(result(step(differing=["GET /"])))
    assert ["answers"] == [each.bar for each in failing("shop", wrong)]
    assert ["end"] == [each.bar for each in failing("shop", verdicts(result(trouble="ended")))]
    assert [] == failing("shop", verdicts(result(step(cpu=9.0))))
    monkeypatch.setitem(KNOWN, ("shop", "answers"), "GET /")
    assert [] == failing("shop", wrong)


def test_results_survive_json() -> None:
    made = result(step(), memory=(Memory("leaf", "shop.py", [1, 2], "", 0, 0, 0.0),))
    assert made == Result.from_json(json.loads(json.dumps(asdict(made))))


def test_known_is_about_applications_of_the_table() -> None:
    assert {name for name, _ in KNOWN} <= {each.name for each in APPS}
    assert served(step())
    assert 0.13 == pytest.approx(most_cpu(step()))


def test_each_application_has_all_edits() -> None:
    for app in APPS:
        assert {"leaf", "middle", "entry", "route"} <= {each.kind for each in app.edits}, app.name


def test_wsgi_requests_arrive_whole() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("201 Created", [("content-type", "text/plain")])
        sent = environ["wsgi.input"].read().decode()
        told = (environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_X_NAME"], sent)
        return [" ".join(told).encode()]

    assert answer("/a b c=d x sent", "201") == Wsgi(application).ask(REQUEST)


def test_asgi_requests_arrive_whole_and_the_lifespan_has_begun() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        if scope["type"] == "lifespan":
            scope["state"]["begun"] = "begun"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        names = dict(scope["headers"])
        told = (scope["path"], scope["query_string"].decode(), names[b"x-name"].decode())
        body = " ".join((*told, message["body"].decode(), scope["state"]["begun"])).encode()
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": body})

    assert answer("/a b c=d x sent begun") == Asgi(application).ask(REQUEST)


def test_a_measured_request_handles_errors_of_what_it_awaits() -> None:
    handled = []

    async def application(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            return
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, KeyError("sold out"))
        try:
            await future
        except KeyError as error:
            handled.append(str(error))
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    assert Asgi(application).cpu_of(REQUEST) > 0
    assert handled == ["'sold out'"]


def test_an_application_that_raises_has_an_answer() -> None:
    def application(_environ: Any, _start_response: Any) -> list[bytes]:
        raise ValueError("no")

    assert {"status": "raised", "type": "ValueError", "body": "no"} == Wsgi(application).ask(
        REQUEST
    )


def test_changes_come_one_after_the_other(tmp_path: Path) -> None:
    class Folder:
        app = APPS[0]._replace(
            edits=tuple(each._replace(path="a.py", old="", new="\nb") for each in APPS[0].edits),
            following=None,
        )

        def read(self, path: str) -> str:
            return (tmp_path / path).read_text()

        def write(self, path: str, text: str) -> None:
            (tmp_path / path).write_text(text)

        def edited(self, edit: Any) -> str:
            text: str = self.read(edit.path) + edit.new
            return text

    (tmp_path / "a.py").write_text("a")
    kinds = [kind for kind, _ in _changes(Folder())]  # type: ignore[arg-type]
    wanted = ["leaf", "middle", "entry", "model", "route added", "route removed"]
    assert [*wanted, "syntax error", "repair"] == kinds
    assert "a\nb\nb\nb\nb\n_REPAIRED = True\n" == (tmp_path / "a.py").read_text()
