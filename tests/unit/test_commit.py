"""When all workers may publish, when all must refuse, and which ones are told to catch up."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from transfuse.workers.commit import MISSES, TURNS, CommitCoordinator

Orders = list[tuple[int, dict[str, Any]]]
WHO = st.integers(1, 3)


def of(*workers: int, at: str = "old", **more: Any) -> CommitCoordinator:
    commit = CommitCoordinator(**more)
    for who in workers:
        commit.joins(who, at, 1, None)
    return commit


def told(orders: Orders) -> list[tuple[int, str]]:
    return sorted((who, order["do"]) for who, order in orders)


def test_all_publish_once_all_have_staged() -> None:
    commit = of(1, 2, 3)
    assert told(commit.prepared(1, "new")) == [(2, "stage"), (3, "stage")]
    # They are told exactly once.
    assert commit.prepared(2, "new") == []
    assert told(commit.prepared(3, "new")) == [(1, "publish"), (2, "publish"), (3, "publish")]
    assert (commit.served, commit.generation) == ("new", 2)


def test_those_that_begin_with_different_numbers_give_the_next_one_the_same() -> None:
    commit = of(1)
    ahead = commit.joins(2, "old", 3, None)
    assert ahead == [(1, {"do": "number", "generation": 4})]
    # Once. One that joins later hears it as well.
    assert commit.serves(2, "old", 3) == []
    assert commit.joins(3, "old", 2, None) == [(3, {"do": "number", "generation": 4})]
    # While they publish, those that come later are not behind.
    for who in (1, 2, 3):
        commit.prepared(who, "new")
    assert [commit.serves(who, "new", 4) for who in (2, 1, 3)] == [[], [], []]


def test_one_failure_and_all_refuse() -> None:
    commit = of(1, 2, 3)
    commit.prepared(1, "new")
    commit.prepared(2, "new")
    orders = commit.fails(3, "process 3: SyntaxError")
    assert told(orders) == [(1, "refuse"), (2, "refuse")]
    assert {order["why"] for _, order in orders} == {"process 3: SyntaxError"}
    assert commit.served == "old"
    # The repair is another vote.
    assert told(commit.prepared(3, "repaired")) == [(1, "stage"), (2, "stage")]


def test_one_that_is_refused_and_behind_is_told_to_catch_up() -> None:
    """It joins with something staged, after others have published without it."""
    commit = of(1)
    assert told(commit.prepared(1, "new")) == [(1, "publish")]
    commit.serves(1, "new", 2)
    assert told(commit.joins(2, "old", 1, "other", None)) == [(1, "stage")]
    orders = commit.fails(1, "process 1: it is over")
    assert [(who, order["do"]) for who, order in orders] == [(2, "refuse"), (2, "catch up")]
    assert orders[1][1]["view"] == "new"


def test_the_trial_that_one_was_asked_for_begins_in_all() -> None:
    wanted = {"key": "k", "seconds": 9.0}
    commit = of(1, 2)
    commit.prepared(1, "new")
    orders = commit.prepared(2, "new", trial=wanted)
    assert [order.get("trial") for _, order in orders] == [wanted, wanted]
    for who in (1, 2):
        commit.serves(who, "new", 2)
    # The next update is on none.
    commit.prepared(1, "newer", trial=None)
    assert [order for _, order in commit.prepared(2, "newer")] == [{"do": "publish"}] * 2


def test_a_failure_that_nobody_waits_for_is_nobodys_business() -> None:
    assert of(1, 2).fails(1, "ImportError") == []


def test_who_has_found_earlier_files_looks_again() -> None:
    commit = of(1, 2)
    commit.prepared(1, "half")
    assert told(commit.prepared(2, "whole")) == [(1, "look again")]
    assert told(commit.prepared(1, "whole")) == [(1, "publish"), (2, "publish")]


def test_the_dead_are_not_waited_for() -> None:
    commit = of(1, 2, 3)
    commit.prepared(1, "new")
    commit.prepared(2, "new")
    assert told(commit.leaves(3)) == [(1, "publish"), (2, "publish")]


def test_nothing_is_open_once_all_who_waited_are_dead() -> None:
    commit = of(1, 2)
    commit.prepared(1, "new")
    assert commit.leaves(1) == []
    assert commit.fails(2, "ImportError") == []
    assert commit.served == "old"


def test_who_comes_back_with_old_code_is_told_to_catch_up_once() -> None:
    commit = of(1, at="new")
    (order,) = commit.joins(2, "old", 1, None)
    assert (order[0], order[1]["do"], order[1]["view"]) == (2, "catch up", "new")
    assert commit.serves(2, "old", 1) == []


def test_who_catches_up_need_not_be_waited_for() -> None:
    commit = of(1, at="new")
    commit.joins(2, "old", 1, None)
    assert told(commit.prepared(2, "new")) == [(2, "publish")]


def test_who_joins_while_others_wait_is_told_to_stage_too() -> None:
    commit = of(1, 2)
    commit.prepared(1, "new")
    assert told(commit.joins(3, "old", 1, None)) == [(3, "stage")]
    commit.prepared(2, "new")
    assert told(commit.prepared(3, "new")) == [(1, "publish"), (2, "publish"), (3, "publish")]


def test_who_finds_nothing_has_the_others_look_again_and_in_the_end_refuse() -> None:
    commit = of(1, 2)
    for _ in range(MISSES - 1):
        assert told(commit.prepared(1, "new")) == [(2, "stage")]
        assert told(commit.finds_nothing(2)) == [(1, "look again")]
    commit.prepared(1, "new")
    assert told(commit.finds_nothing(2)) == [(1, "refuse")]


def test_a_new_coordinator_first_hears_all_who_waited_under_the_former() -> None:
    """Else the first to come back would publish alone what another may refuse."""
    commit = CommitCoordinator(waits=True)
    assert commit.joins(1, "old", 1, "new") == []
    assert commit.joins(2, "old", 1, None) == []
    assert told(commit.begins()) == [(2, "stage")]
    assert told(commit.prepared(2, "new")) == [(1, "publish"), (2, "publish")]


def test_what_one_was_told_to_publish_before_the_coordinator_died_all_publish() -> None:
    commit = CommitCoordinator(waits=True)
    commit.joins(1, "new", 2, None)
    commit.joins(2, "old", 1, "new")
    assert told(commit.begins()) == [(2, "publish")]


def test_a_new_coordinator_goes_by_who_has_come_furthest() -> None:
    """The first to come back may have been left behind by the others."""
    commit = CommitCoordinator(waits=True)
    commit.joins(1, "old", 1, None)
    commit.joins(2, "new", 2, None)
    (order,) = commit.begins()
    assert (order[0], order[1]["do"], order[1]["view"]) == (1, "catch up", "new")
    assert (commit.served, commit.generation) == ("new", 2)


def test_workers_that_do_not_see_the_same_files_refuse_in_the_end() -> None:
    commit = of(1, 2)
    commit.prepared(1, "whole")
    for turn in range(TURNS + 1):
        who, view = (2, "part") if turn % 2 == 0 else (1, "whole")
        orders = commit.prepared(who, view)
        if turn < TURNS:
            assert told(orders) == [(3 - who, "look again")]
    assert told(orders) == [(1, "refuse"), (2, "refuse")]
    assert {order["why"] for _, order in orders} == {"the workers see different files"}
    # The next edit is another vote.
    assert told(commit.prepared(1, "whole")) == [(2, "stage")]


def test_it_is_known_who_is_waited_for() -> None:
    commit = of(1, 2, 3)
    assert commit.missing() == []
    commit.prepared(2, "new")
    assert commit.missing() == [1, 3]


def test_a_rollback_hands_over_what_is_not_on_disk() -> None:
    commit = of(1, 2, at="new")
    ((who, order),) = commit.prepared(1, "old", {"/srv/shop.py": "VkFMVUUgPSAx"})
    assert (who, order["contents"]) == (2, {"/srv/shop.py": "VkFMVUUgPSAx"})
    assert told(commit.prepared(2, "old")) == [(1, "publish"), (2, "publish")]
    # The next vote is about the disk again.
    ((_, order),) = commit.prepared(2, "newer")
    assert "contents" not in order


def test_one_that_comes_back_is_told_which_other_files_have_changed() -> None:
    """A template, say, of which the digest of all source says nothing."""
    commit = of(1, 2)
    commit.prepared(1, "old-page", others={"/srv/page.html": "0b1c"})
    commit.prepared(2, "old-page", others={"/srv/page.html": "0b1c"})
    ((_, order),) = commit.joins(3, "old", 1, None)
    assert (order["do"], order["others"]) == ("catch up", {"/srv/page.html": "0b1c"})
    # Another coordinator has it from the workers.
    later = CommitCoordinator(waits=True)
    later.joins(1, "old-page", 2, None, serves={"/srv/page.html": "0b1c"})
    later.joins(3, "old", 1, None)
    ((_, order),) = later.begins()
    assert order["others"] == {"/srv/page.html": "0b1c"}


def test_one_that_has_found_other_files_hears_what_the_others_have_found() -> None:
    commit = of(1, 2)
    commit.prepared(1, "old-page", others={"/srv/page.html": "0b1c"})
    ((who, order),) = commit.prepared(2, "old-mail", others={"/srv/mail.txt": "77aa"})
    assert (who, order["do"], order["others"]) == (1, "look again", {"/srv/mail.txt": "77aa"})


# No worker publishes what a living worker has neither staged nor serves, whatever happens.
class Votes(RuleBasedStateMachine):
    """Three workers do whatever they do, in whichever order."""

    def __init__(self) -> None:
        super().__init__()
        self.commit = of(1, 2, 3)
        # What each worker has staged and waits for, and what it serves.
        self.staged: dict[int, str | None] = dict.fromkeys((1, 2, 3))
        self.at = dict.fromkeys((1, 2, 3), "old")

    def obey(self, orders: Orders) -> None:
        living = set(self.commit.workers)
        done = [who for who, order in orders if order["do"] == "publish"]
        for who in done:
            view = self.staged[who]
            assert view == self.commit.served
            assert all(view in (self.staged[each], self.at[each]) for each in living), view
        for who, order in orders:
            if order["do"] in ("refuse", "look again"):
                assert self.staged[who] is not None
                self.staged[who] = None
        for who in done:
            self.at[who], self.staged[who] = str(self.staged[who]), None
        for who in done:
            self.obey(self.commit.serves(who, self.at[who], 2))

    @rule(who=WHO, view=st.sampled_from(["new", "newer"]))
    def stages(self, who: int, view: str) -> None:
        if who in self.commit.workers and self.staged[who] is None and self.at[who] != view:
            self.staged[who] = view
            self.obey(self.commit.prepared(who, view))

    @rule(who=WHO)
    def fails(self, who: int) -> None:
        if who in self.commit.workers and self.staged[who] is None:
            self.obey(self.commit.fails(who, "SyntaxError"))

    @rule(who=WHO)
    def finds_nothing(self, who: int) -> None:
        if who in self.commit.workers and self.staged[who] is None:
            self.obey(self.commit.finds_nothing(who))

    @rule(who=WHO)
    def dies(self, who: int) -> None:
        self.staged[who] = None
        self.obey(self.commit.leaves(who))

    @rule(who=WHO)
    def comes_back(self, who: int) -> None:
        if who not in self.commit.workers:
            self.at[who] = self.commit.served or "old"
            self.obey(self.commit.joins(who, self.at[who], 1, None))


TestVotes = Votes.TestCase
