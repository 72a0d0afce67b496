"""Which team serves: the decisions of a handover, without processes."""

from __future__ import annotations

import pytest

from transfuse.handover.teams import OUTRUN, End, Order, Settle, Start, Teams, Tell

OLD, OTHER, FRESH, SECOND = 101, 102, 201, 202


@pytest.fixture
def teams() -> Teams:
    """Two processes serve, of team 0."""
    teams = Teams()
    for pid in (OLD, OTHER):
        teams.joins(pid, 0)
        assert teams.ready(pid) == [Tell(pid, {"do": "serve"})]
    return teams


def starts(teams: Teams, *pids: int, number: int | None = 1) -> None:
    """A handover begins with fresh processes."""
    assert teams.asks(OLD, number) == [Start(1)]
    teams.started(set(pids))
    for pid in pids:
        teams.joins(pid, 1)


def hold(teams: Teams, orders: list[Order], generation: int = 0) -> list[Order]:
    """The processes that serve hold their updates, as they are told, and say what they serve."""
    told = words(orders)
    assert {word for _, word in told} == {"hold"}
    return [order for pid, _ in told for order in teams.holds(pid, generation)]


def takes_over(teams: Teams, pid: int) -> list[Order]:
    """The one fresh process is ready, and begins."""
    assert words(hold(teams, teams.ready(pid))) == [(pid, "serve")]
    return teams.begins(pid)


def words(orders: list[Order]) -> list[tuple[int, str]]:
    """The orders to processes, in their order."""
    return [(each.pid, each.order["do"]) for each in orders if isinstance(each, Tell)]


def test_fresh_processes_take_over_when_all_are_ready(teams: Teams) -> None:
    starts(teams, FRESH, SECOND)
    assert teams.ready(SECOND) == []
    orders = teams.ready(FRESH)
    assert words(orders) == [(OLD, "hold"), (OTHER, "hold")]
    assert words(hold(teams, orders)) == [(FRESH, "serve"), (SECOND, "serve")]
    # The former ones go on until these have begun.
    assert teams.begins(FRESH) == []
    assert teams.serving == 0
    orders = teams.begins(SECOND)
    assert orders[0] == Settle(1)
    assert words(orders) == [(OLD, "answer"), (OLD, "retire"), (OTHER, "retire")]
    assert teams.serving == 1


def test_one_that_ends_when_it_was_to_begin_is_left_to_be_replaced(teams: Teams) -> None:
    starts(teams, FRESH, SECOND)
    teams.ready(FRESH)
    hold(teams, teams.ready(SECOND))
    teams.begins(FRESH)
    # The other one has begun, and could not stop without losing requests.
    assert teams.ended(SECOND)[0] == Settle(1)


def test_if_none_of_them_begins_nothing_changes(teams: Teams) -> None:
    starts(teams, FRESH)
    hold(teams, teams.ready(FRESH))
    assert teams.ended(FRESH)[0] == End(1)
    assert teams.serving == 0


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ("fails", "web cannot be loaded"),
        ("ended", f"the fresh process {SECOND} ended before it was ready"),
        ("late", f"the fresh process {SECOND} was not ready after 600 s"),
    ],
)
def test_if_one_does_not_become_ready_nothing_changes_and_the_reason_is_told(
    teams: Teams, event: str, why: str
) -> None:
    starts(teams, FRESH, SECOND)
    teams.ready(FRESH)
    events = {
        "fails": lambda: teams.fails(SECOND, why, "trace"),
        "ended": lambda: teams.ended(SECOND),
        "late": lambda: teams.late(600),
    }
    orders = events[event]()
    assert orders[0] == End(1)
    (told,) = [each.order for each in orders if isinstance(each, Tell)]
    assert (told["do"], told["why"], told["number"], told["team"]) == ("answer", why, 1, 0)
    assert isinstance(orders[-1], Settle)
    assert (orders[-1].team, orders[-1].why) == (0, why)
    assert (teams.serving, teams.starting) == (0, None)
    # A word of a process that was given up comes too late.
    assert teams.ready(SECOND) == [Tell(SECOND, {"do": "stand down"})]
    # And the next one is another team.
    assert teams.asks(OLD, None) == [Start(2)]


def test_all_who_ask_meanwhile_are_told_how_the_one_handover_ended(teams: Teams) -> None:
    starts(teams, FRESH)
    assert teams.asks(OTHER, 7) == []
    answers = [each.order for each in takes_over(teams, FRESH) if isinstance(each, Tell)]
    numbers = [order["number"] for order in answers if order["do"] == "answer"]
    assert numbers == [1, 7]


def test_a_fresh_process_that_is_out_of_date_already_takes_over_and_is_taken_over_from(
    teams: Teams,
) -> None:
    starts(teams, FRESH)
    assert teams.asks(FRESH, None) == []
    orders = takes_over(teams, FRESH)
    assert Settle(1) in orders
    assert orders[-1] == Start(2)
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    assert words(takes_over(teams, SECOND)) == [(FRESH, "retire")]


def test_after_a_rollback_other_fresh_processes_start(teams: Teams) -> None:
    starts(teams, FRESH)
    assert teams.goes_back(OLD) == [End(1), Start(2)]
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    # The end of the first ones is no failure of the second.
    assert teams.ended(FRESH) == []
    assert (OLD, "answer") in words(takes_over(teams, SECOND))
    # A rollback when none are starting, or of a process that does not serve, changes nothing.
    assert teams.goes_back(SECOND) == []
    assert teams.goes_back(OLD) == []


def test_a_process_that_replaces_a_dead_one_serves_at_once(teams: Teams) -> None:
    starts(teams, FRESH)
    takes_over(teams, FRESH)
    teams.ended(FRESH)
    teams.joins(SECOND, 1)
    assert teams.ready(SECOND) == [Tell(SECOND, {"do": "serve"})]


def test_a_process_that_others_have_taken_over_from_may_ask(teams: Teams) -> None:
    starts(teams, FRESH)
    takes_over(teams, FRESH)
    # By itself it has nothing to ask for.
    assert teams.asks(OLD, None) == []
    assert teams.asks(OLD, 9) == [Start(2)]
    # It is not told if it has ended by then.
    teams.ended(OLD)
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    assert (OLD, "answer") not in words(takes_over(teams, SECOND))


def test_a_person_who_asks_meanwhile_gets_a_handover_of_its_own_if_that_one_fails(
    teams: Teams,
) -> None:
    """What it failed on may have been repaired since it began to load."""
    starts(teams, FRESH)
    assert teams.asks(OTHER, 7) == []
    orders = teams.fails(FRESH, "it cannot be loaded")
    assert words(orders) == [(OLD, "answer")]
    assert orders[-1] == Start(2)
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    assert words(takes_over(teams, SECOND))[0] == (OTHER, "answer")


def test_a_process_that_asks_again_meanwhile_has_later_files(teams: Teams) -> None:
    starts(teams, FRESH, number=None)
    # Each process asks once for the same.
    assert teams.asks(OTHER, None) == []
    assert Start(2) not in teams.fails(FRESH, "it cannot be loaded")

    assert teams.asks(OLD, None) == [Start(2)]
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    assert teams.asks(OLD, None) == []
    assert teams.fails(SECOND, "it cannot be loaded")[-1] == Start(3)


def test_a_rollback_leaves_what_the_fresh_processes_were_for(teams: Teams) -> None:
    starts(teams, FRESH, number=None)
    orders = teams.goes_back(OLD, waits=False)
    assert orders == [End(1), Settle(0, "nothing waits for them any more")]
    # Not where a person has asked for them.
    assert teams.asks(OLD, 1) == [Start(2)]
    teams.started({SECOND})
    teams.joins(SECOND, 2)
    assert teams.goes_back(OLD, waits=False) == [End(2), Start(3)]


def test_p16_a_trial_puts_a_handover_off(teams: Teams) -> None:
    starts(teams, FRESH, SECOND)
    assert teams.asks(OTHER, 7) == []
    teams.ready(FRESH)
    orders = teams.put_off(OLD, "generation 5 is on trial")
    assert orders[0] == End(1)
    answers = [each.order for each in orders if isinstance(each, Tell)]
    assert [(order["number"], order["why"]) for order in answers] == [
        (1, "generation 5 is on trial"),
        (7, "generation 5 is on trial"),
    ]
    assert orders[-1] == Settle(0, "generation 5 is on trial")
    # None is under way, and none begins by itself.
    assert teams.put_off(OLD, "generation 5 is on trial") == []
    assert teams.asks(OLD, None) == [Start(2)]
    teams.started({SECOND})
    assert teams.asks(OTHER, None) == []
    # Those that have asked by themselves do so again.
    assert words(teams.put_off(OTHER, "")) == [(OLD, "put off"), (OTHER, "put off")]


def test_fresh_processes_that_have_begun_to_serve_are_not_given_up_for_a_trial(
    teams: Teams,
) -> None:
    starts(teams, FRESH)
    hold(teams, teams.ready(FRESH))
    assert teams.put_off(OLD, "generation 5 is on trial") == []
    assert Settle(1) in teams.begins(FRESH)


def test_p16_fresh_processes_begin_anew_if_the_former_ones_have_gone_on(teams: Teams) -> None:
    """Their past would miss what was served last, and a number would be of two states."""
    assert teams.asks(OLD, 1) == [Start(1)]
    teams.started({FRESH}, 7)
    teams.joins(FRESH, 1)
    orders = teams.ready(FRESH)
    assert teams.holds(OLD, 8) == []
    orders = teams.holds(OTHER, 7)
    assert (orders[0], orders[-1]) == (End(1), Start(2))
    assert words(orders) == [(OLD, "go on"), (OTHER, "go on")]
    teams.started({SECOND}, 8)
    teams.joins(SECOND, 2)
    assert words(hold(teams, teams.ready(SECOND), 8)) == [(SECOND, "serve")]
    assert (OLD, "answer") in words(teams.begins(SECOND))


def test_p15_former_processes_that_never_cease_to_go_on_are_taken_over_from(teams: Teams) -> None:
    assert teams.asks(OLD, 1) == [Start(1)]
    for team in range(1, OUTRUN + 2):
        pid = FRESH + team
        teams.started({pid}, team)
        teams.joins(pid, team)
        orders = hold(teams, teams.ready(pid), team + 1)
        starts_anew = Start(team + 1) in orders
        assert starts_anew == (team <= OUTRUN)
    assert words(orders) == [(pid, "serve")]


@pytest.mark.parametrize("gone", ["ended", "impatient"])
def test_p15_former_processes_that_do_not_answer_are_not_waited_for(
    teams: Teams, gone: str
) -> None:
    starts(teams, FRESH)
    teams.ready(FRESH)
    assert teams.holds(OTHER, 0) == []
    assert teams.waits_for_former
    assert teams.late(600) == []
    orders = teams.ended(OLD) if gone == "ended" else teams.impatient()
    assert words(orders) == [(FRESH, "serve")]
    assert not teams.waits_for_former


def test_if_fresh_processes_fail_at_last_the_former_ones_update_again(teams: Teams) -> None:
    starts(teams, FRESH)
    hold(teams, teams.ready(FRESH))
    assert words(teams.ended(FRESH))[:2] == [(OLD, "go on"), (OTHER, "go on")]


def test_p16_a_rollback_at_the_moment_of_the_switch_is_made_by_others(teams: Teams) -> None:
    starts(teams, FRESH)
    hold(teams, teams.ready(FRESH))
    assert teams.goes_back(OLD) == []
    orders = teams.begins(FRESH)
    assert Settle(1) in orders
    assert orders[-1] == Start(2)
