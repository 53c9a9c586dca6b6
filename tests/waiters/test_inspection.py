"""Looking after works: status, lists, counts, cancelling and cleaning up."""

from collections.abc import Sequence
from typing import Any

import pytest

from askfirst import (
    InvalidPayload,
    Reason,
    State,
    WorkCancelled,
    WorkStatus,
    cancel,
    cleanup,
    counts,
    status,
    submit_work,
    works,
)
from askfirst.waiters.client import Client
from tests.support import works as sample
from tests.support.lanes import Lane


def test_status_by_id_and_by_key(client: Client) -> None:
    waiter = submit_work(sample.add, a=1, key="k")
    by_id, by_key = status(waiter.id), status("k")
    assert by_id is not None
    assert by_id == by_key
    assert by_id.id == waiter.id


def test_status_of_the_unknown_is_none(client: Client) -> None:
    submit_work(sample.add, a=1, key="k")
    assert status("default." + "0" * 32) is None
    assert status("no such key") is None
    assert status("no text: \udcff") is None


def test_status_by_key_prefers_the_live_work(client: Client, lane: Lane) -> None:
    live = submit_work(sample.add, a=1, key="k")
    later = submit_work(sample.double, x=1, key="k")
    later.cancel()
    found = status("k")
    assert found is not None
    assert found.id == live.id


def test_status_by_key_prefers_the_live_work_of_a_type_that_changed_its_lane(client: Client, lane: Lane) -> None:
    live = submit_work(sample.add, a=1, key="k")
    lane.ledger.know_lanes(["io"])
    Lane(lane.ledger, lane.redis, "io").ended(State.COMPLETED, key="k", name="tests.support.works.add")
    found = status("k")
    assert found is not None
    assert found.id == live.id


def test_status_by_key_finds_ended_work_too(client: Client, lane: Lane) -> None:
    waiter = submit_work(sample.add, a=1, key="k")
    lane.answer(waiter.id)
    found = status("k")
    assert found is not None
    assert found.state is State.COMPLETED


def test_works_come_newest_first(client: Client, lane: Lane) -> None:
    ids = []
    for n in range(3):
        ids.append(submit_work(sample.add, a=n).id)
        lane.let_pass(1, up=True, pulses=[client.caller])
    assert [work.id for work in works()] == ids[::-1]
    assert [work.id for work in works(limit=2)] == ids[:0:-1]


def test_a_work_that_starts_meanwhile_is_listed_once(
    client: Client, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, look = submit_work(sample.add, a=1).id, client.ledger.statuses

    def look_and_let_it_start(ids: Sequence[str]) -> list[WorkStatus | None]:
        found = look(ids)
        if lane.state(id) is State.PENDING:
            lane.verdict(id)
        return found

    monkeypatch.setattr(client.ledger, "statuses", look_and_let_it_start)
    assert [work.state for work in works()] == [State.RUNNING]


def test_works_can_be_chosen_by_state_name_and_lane(client: Client, lane: Lane) -> None:
    done, waiting = submit_work(sample.add, a=1), submit_work(sample.double, x=1)
    other = submit_work(sample.in_another_lane, proof="/dev/null")
    lane.answer(done.id)
    assert [work.id for work in works(state="completed")] == [done.id]
    assert {work.id for work in works(state=State.PENDING)} == {waiting.id, other.id}
    assert [work.id for work in works(name="tests.support.works.double")] == [waiting.id]
    assert [work.id for work in works(lane="io")] == [other.id]
    assert works(lane="nowhere") == []


def test_a_deadline_beyond_all_years_hides_no_other_work(client: Client, lane: Lane) -> None:
    odd, other = submit_work(sample.add, a=1), submit_work(sample.add, a=2)
    for deadline in ("864001795446399000", "8.6400179544640e+17"):
        lane.redis.hset(lane.keys.work(odd.id), "deadline", deadline)
        found = {work.id: work for work in works()}
        assert found.keys() == {odd.id, other.id}
        assert found[odd.id].deadline.year == 9999


@pytest.mark.parametrize("options", [{"state": "LOST"}, {"limit": 0}, {"limit": "many"}])
def test_a_wrong_choice_is_named(client: Client, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload, match="expected"):
        works(**options)


def test_counts_cover_all_lanes(client: Client, lane: Lane) -> None:
    submit_work(sample.add, a=1)
    submit_work(sample.in_another_lane, proof="/dev/null")
    lane.answer(submit_work(sample.add, a=1).id)
    assert {state: n for state, n in counts().items() if n} == {State.PENDING: 2, State.COMPLETED: 1}
    assert set(counts()) == set(State)


@pytest.mark.parametrize("by_key", [False, True], ids=["by id", "by key"])
def test_cancelling_ends_it_for_all_callers(client: Client, lane: Lane, by_key: bool) -> None:
    first, second = submit_work(sample.add, a=1, key="k"), submit_work(sample.add, a=1, key="k")
    before = cancel("k" if by_key else first.id)
    assert before is not None
    assert before.state is State.PENDING
    for waiter in (first, second):
        with pytest.raises(WorkCancelled) as cancelled:
            waiter.result(timeout=3)
        assert cancelled.value.reason == Reason.CANCELLED


def test_cancelling_what_ended_meanwhile_says_that_it_had_ended(
    client: Client, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiter, cancel_then = submit_work(sample.add, a=1), client.ledger.cancel

    def let_it_end_and_cancel(id: str, reason: str) -> State | None:
        lane.answer(id)
        return cancel_then(id, reason)

    monkeypatch.setattr(client.ledger, "cancel", let_it_end_and_cancel)
    before = cancel(waiter.id)
    assert before is not None
    assert before.state is State.COMPLETED


def test_cancelling_the_unknown_says_none(client: Client) -> None:
    submit_work(sample.add, a=1, key="k")
    assert cancel("no such key") is None
    assert cancel("no text: \udcff") is None


@pytest.mark.parametrize("older_than", ["soon", True, None])
def test_an_age_that_is_none_is_named(client: Client, older_than: Any) -> None:
    with pytest.raises(InvalidPayload, match="older_than: expected a duration"):
        cleanup(older_than=older_than)


def test_cleaning_up_removes_ended_works_of_that_age(client: Client, lane: Lane) -> None:
    old = submit_work(sample.add, a=1)
    lane.answer(old.id)
    lane.let_pass(30, up=True, pulses=[client.caller])
    young, live = submit_work(sample.add, a=1), submit_work(sample.add, a=1)
    lane.answer(young.id)
    assert cleanup(older_than="20s") == 1
    assert [lane.state(waiter.id) for waiter in (old, young, live)] == [None, State.COMPLETED, State.PENDING]
    assert cleanup() == 1
    assert cleanup() == 0
    assert lane.state(live.id) is State.PENDING
