"""The model of the storm says what docs/servers.md says, and its watch notices what is wrong."""

from __future__ import annotations

import json

import pytest

from servers.handover_load import Exchange
from servers.storm.model import CONF, FILES, LATE, LEAF, MIDDLE, Expected, Model, State, Text
from servers.storm.watch import Watch

FIRST: State = {name: Text(1) for name in FILES}
PID, OTHER = 101, 102


@pytest.fixture
def model() -> Model:
    """One worker has begun."""
    model = Model(dict(FIRST), dict(FIRST))
    model.begins(PID)
    return model


def test_what_was_rolled_back_stays_back_until_it_changes_or_is_accepted(model: Model) -> None:
    assert model.save({LEAF: Text(2)}) == Expected("published")
    assert model.rollback() == Expected("rolled back")
    assert model.served == FIRST
    model.save({MIDDLE: Text(3)})
    assert (model.served[LEAF], model.served[MIDDLE]) == (Text(1), Text(3))
    assert model.accept(()) == Expected("published")
    assert model.served[LEAF] == Text(2)
    assert model.aside == {}


def test_a_second_rollback_goes_further_back_and_one_with_a_number_anywhere(model: Model) -> None:
    for number in (2, 3):
        model.save({LEAF: Text(number)})
    left = model.histories[PID].current.number
    for number in (2, 1):
        assert model.rollback().code == 0
        assert model.served[LEAF] == Text(number)
    assert model.rollback() == Expected(code=2)
    assert model.rollback(left).code == 0
    assert model.served[LEAF] == Text(3)


def test_all_workers_go_back_to_the_named_one_of_two_equal_states(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("servers.storm.model.KEEP", 6)
    model.begins(OTHER)
    first = model.histories[PID].current.number
    for number in (2, 3):
        model.save({LEAF: Text(number)})
    named = model.histories[PID].current.number
    model.rollback(first)
    model.accept(())
    model.save({LEAF: Text(4)})
    assert model.rollback(named) == Expected("rolled back")
    for history in model.histories.values():
        target = history.target(None)
        assert target is not None
        assert target.state[LEAF] == Text(2)


def test_what_is_refused_changes_nothing_and_a_repair_is_told(model: Model) -> None:
    assert model.save({LEAF: Text(2, "raises")}) == Expected("refused", told_by=frozenset({PID}))
    # All that is saved is one change.
    assert model.save({LATE: Text(3)}) == Expected("refused", told_by=frozenset({PID}))
    assert model.served == FIRST
    assert model.save({LEAF: Text(1)}) == Expected("published")
    assert model.served == {**FIRST, LATE: Text(3)}


def test_what_cannot_change_in_place_is_served_by_others_when_all_of_it_loads(
    model: Model,
) -> None:
    model.save({LEAF: Text(2, "syntax")})
    assert model.save({CONF: Text(3)}) == Expected("refused", told_by=frozenset({PID}))
    expected = model.save({LEAF: Text(4)})
    assert (expected.outcome, expected.takes_over) == ("published", True)
    assert (model.served[CONF], model.served[LEAF]) == (Text(3), Text(4))


def exchange(state: State, **facts: object) -> Exchange:
    shown = {name: text.number for name, text in state.items()} | {"built_on": state[LEAF].number}
    body = json.dumps({"pid": PID, "first": shown, "last": shown} | facts)
    return Exchange("new", 4000, 1.0, 1.0, 2.0, body=body)


def test_an_answer_of_a_state_that_is_not_served_is_noticed() -> None:
    watch = Watch(FIRST)
    watch.begins(PID)
    watch.hear(exchange(FIRST))
    watch.judge()
    assert watch.tally.wrong == []
    watch.hear(exchange({**FIRST, LEAF: Text(2)}))
    watch.judge()
    assert len(watch.tally.wrong) == 1


def test_a_mixed_answer_is_noticed() -> None:
    watch = Watch(FIRST)
    watch.begins(PID)
    other = dict.fromkeys((*FILES, "built_on"), 2)
    watch.hear(exchange(FIRST, last=other))
    watch.judge()
    assert any(each.startswith("mixed") for each in watch.tally.wrong)


def test_a_lost_request_is_excused_only_where_its_worker_was_killed() -> None:
    watch = Watch(FIRST)
    watch.kill({4000}, PID)
    lost = Exchange("idle", 4000, 0.0, 0.0, 1.0, lost="ConnectionResetError")
    watch.hear(lost)
    watch.judge()
    assert (watch.tally.in_flight, watch.tally.wrong) == (1, [])
    watch.hear(Exchange("idle", 4001, 0.0, 0.0, 1.0, lost="ConnectionResetError"))
    watch.judge()
    assert len(watch.tally.wrong) == 1
