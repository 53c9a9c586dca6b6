"""What can't be done in time is refused at the door; what can is let in, and nobody is locked out."""

import pytest

from askfirst.interest.limits import Declaration, Limit, declare
from askfirst.interest.records import Submitted
from askfirst.interest.states import State, Verdict
from tests.support.lanes import Lane

RUN = 2.0  # seconds that each run takes here: what the test itself takes doesn't count beside it


@pytest.fixture
def busy(lane: Lane) -> Lane:
    """A lane with two slots, both taken since now, and a type whose runs are known to take RUN."""
    learn(lane, "t", RUN)
    lane.beat(slots=2)
    for _ in range(2):
        lane.running(timeout=600)
    return lane


def test_a_work_that_can_be_done_in_time_is_let_in(busy: Lane) -> None:
    assert ask_to_come_in(busy, timeout=3 * RUN).status == "accepted"


def test_a_work_that_cannot_be_done_in_time_is_rejected_and_leaves_nothing_behind(busy: Lane) -> None:
    busy.messages()
    before = set(busy.redis.scan_iter())
    answer = ask_to_come_in(busy, timeout=1.5 * RUN)
    assert (answer.status, answer.reason) == ("rejected", "overloaded")
    assert 0.4 * RUN <= answer.retry_after <= 0.6 * RUN
    assert set(busy.redis.scan_iter()) == before | {busy.keys.totals}  # it is counted
    assert busy.ledger.totals(busy.name)["REJECTED: overloaded"] == 1
    assert busy.rung() == []


@pytest.mark.parametrize(("queued", "timeout", "status"), [(3, 3.3 * RUN, "accepted"), (4, 3.3 * RUN, "rejected")])
def test_works_before_it_take_the_slots_in_turn(busy: Lane, queued: int, timeout: float, status: str) -> None:
    # Numbers 0 and 1 start after one RUN, 2 and 3 after two; what is fourth from there ends after four. A tenth of the
    # wait is asked for on top.
    for _ in range(queued):
        busy.submit(timeout=600)
    assert ask_to_come_in(busy, timeout=timeout).status == status


def test_the_time_that_runs_took_already_counts(busy: Lane) -> None:
    busy.let_pass(0.9 * RUN)
    assert ask_to_come_in(busy, timeout=1.5 * RUN).status == "accepted"


def test_an_idle_slot_always_admits_even_where_the_estimate_is_against_it(lane: Lane) -> None:
    learn(lane, "t", 60)
    lane.beat(slots=1)
    assert ask_to_come_in(lane, timeout=1).status == "accepted"
    assert ask_to_come_in(lane, timeout=1).status == "rejected"  # that slot is spoken for


def test_without_workers_or_without_experience_everybody_is_let_in(lane: Lane) -> None:
    assert ask_to_come_in(lane, timeout=0.1 * RUN).status == "accepted"
    lane.beat(slots=1)
    lane.running(timeout=600)
    assert ask_to_come_in(lane, timeout=0.1 * RUN).status == "accepted"


def test_workers_that_are_heard_no_more_close_no_door(busy: Lane) -> None:
    busy.let_pass(11)
    assert ask_to_come_in(busy, timeout=0.1 * RUN).status == "accepted"


def test_a_worker_that_leaves_takes_its_own_slots_only(busy: Lane) -> None:
    busy.beat(worker="other", slots=2)
    busy.ledger.leave(busy.name, "other")
    assert ask_to_come_in(busy, timeout=1.5 * RUN).status == "rejected"
    busy.ledger.leave(busy.name, "w1")
    assert ask_to_come_in(busy, timeout=1.5 * RUN).status == "accepted"
    assert not busy.redis.hexists(busy.keys.load, "slots")


def test_an_old_estimate_is_put_to_the_test(busy: Lane) -> None:
    learn(busy, "other", 60)
    assert ask_to_come_in(busy, name="other", timeout=10 * RUN).status == "rejected"
    busy.let_pass(62)
    busy.beat(slots=2)
    assert ask_to_come_in(busy, name="other", timeout=10 * RUN).status == "accepted"


def test_what_leaves_the_queue_makes_room(busy: Lane) -> None:
    works = [busy.submit(timeout=600) for _ in range(8)]
    assert ask_to_come_in(busy, timeout=3.5 * RUN).status == "rejected"
    for work in works[2:5]:
        busy.withdraw(work.id, work.interest)
    for work in works[5:]:
        busy.ledger.cancel(work.id, "cancelled by an operator")
    assert ask_to_come_in(busy, timeout=3.5 * RUN).status == "accepted"


def test_sums_that_went_wrong_are_right_again_once_the_lane_is_empty(lane: Lane) -> None:
    lane.redis.hset(lane.keys.load, mapping={"waiting:normal": 1000, "queued:normal": 1_000_000})
    learn(lane, "t", RUN)
    lane.beat(slots=1)
    assert ask_to_come_in(lane, timeout=10 * RUN).status == "rejected"
    lane.tend()
    assert ask_to_come_in(lane, timeout=10 * RUN).status == "accepted"


def test_sums_that_went_wrong_are_right_again_though_the_lane_is_never_empty(busy: Lane) -> None:
    lost = [busy.submit(timeout=600) for _ in range(50)]
    for work in lost:
        busy.redis.delete(busy.keys.work(work.id), busy.keys.interests(work.id), busy.keys.letter(work.id))
    assert ask_to_come_in(busy, timeout=10 * RUN).status == "rejected"
    live = [busy.submit(timeout=600) for _ in range(2)]
    busy.redis.zadd(busy.keys.index("PENDING"), {work.id: 1 for work in lost})
    busy.tend()
    assert ask_to_come_in(busy, timeout=3.3 * RUN).status == "accepted"
    assert [busy.state(work.id) for work in live] == [State.PENDING, State.PENDING]


def test_sums_that_went_wrong_lock_nobody_out_though_works_are_delayed(lane: Lane) -> None:
    """As many are pending as were lost: by their number alone it can't be seen that none of them waits for a slot."""
    learn(lane, "t", RUN)
    lost = [lane.submit(timeout=600).id for _ in range(50)]
    for _ in lost:
        lane.submit(timeout=6000, delay=3000)
    lane.messages()
    lane.redis.delete(*map(lane.keys.work, lost))
    lane.beat(slots=2)
    assert ask_to_come_in(lane, timeout=10 * RUN).status == "rejected"
    lane.tend(idle=True)
    assert ask_to_come_in(lane, timeout=10 * RUN).status == "accepted"


def test_a_full_lane_refuses_whatever_the_importance(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {}, max_pending=2)
    for _ in range(2):
        lane.submit()
    answer = ask_to_come_in(lane, importance="critical")
    assert (answer.status, answer.reason) == ("rejected", "full")
    assert answer.retry_after > 0
    declare(lane.ledger, lane.name, {}, max_pending=None)
    assert ask_to_come_in(lane).status == "accepted"


def test_work_that_replaces_another_needs_no_room_of_its_own(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {}, max_pending=2)
    run, waiting = lane.running(timeout=600, key="run"), lane.submit(key="waiting")
    lane.submit()
    assert ask_to_come_in(lane, key="waiting", on_duplicate="replace").status == "accepted"
    assert lane.state(waiting.id) is State.CANCELLED
    answer = ask_to_come_in(lane, key="run", on_duplicate="replace")
    assert (answer.status, answer.reason) == ("rejected", "full")  # a run leaves no room among those that wait
    assert lane.state(run.id) is State.RUNNING


def test_more_important_work_does_not_wait_behind_less_important_work(busy: Lane) -> None:
    for _ in range(20):
        busy.submit(timeout=600, importance="sheddable")
    assert ask_to_come_in(busy, timeout=5 * RUN, importance="sheddable").status == "rejected"
    assert ask_to_come_in(busy, timeout=5 * RUN, importance="normal").status == "accepted"
    for _ in range(20):
        busy.submit(timeout=600, importance="normal")
    assert ask_to_come_in(busy, timeout=5 * RUN, importance="normal").status == "rejected"
    assert ask_to_come_in(busy, timeout=5 * RUN, importance="critical").status == "accepted"


def test_works_are_taken_by_importance_and_then_in_order(lane: Lane) -> None:
    order = ["sheddable", "normal", "critical", "sheddable", "critical"]
    works = [lane.submit(importance=importance).id for importance in order]
    assert lane.rung() == [works[n] for n in (2, 4, 1, 0, 3)]


def test_joining_a_work_and_coming_later_are_never_refused_for_load(busy: Lane) -> None:
    first = busy.submit(timeout=600, key="k")
    assert ask_to_come_in(busy, timeout=0.1 * RUN, key="k") == Submitted("joined", first.id, 0.1 * RUN)
    assert ask_to_come_in(busy, timeout=0.2 * RUN, delay=0.1 * RUN).status == "accepted"


def test_a_rejected_replacement_changes_nothing(busy: Lane) -> None:
    first = busy.submit(timeout=600, key="k")
    assert ask_to_come_in(busy, timeout=0.1 * RUN, key="k", on_duplicate="replace").status == "rejected"
    assert busy.redis.hgetall(busy.keys.key("k")) == {"t": first.id}
    assert busy.deliver(first.id)[0] is Verdict.RUN


def test_what_a_type_declares_stands_until_it_has_run(busy: Lane) -> None:
    declare(busy.ledger, busy.name, {"slow": Declaration(Limit(), expected=60.0)}, None)
    assert ask_to_come_in(busy, name="slow", timeout=10 * RUN).status == "rejected"
    learn(busy, "slow", 0.01 * RUN)
    assert ask_to_come_in(busy, name="slow", timeout=10 * RUN).status == "accepted"


def test_a_partition_has_an_estimate_of_its_own(busy: Lane) -> None:
    learn(busy, "t", 50 * RUN, partition="slow")
    assert ask_to_come_in(busy, timeout=10 * RUN, partition="slow").status == "rejected"
    learn(busy, "t", 0.1 * RUN, partition="fast")
    assert ask_to_come_in(busy, timeout=10 * RUN, partition="fast").status == "accepted"


def test_of_many_in_one_call_each_is_weighed_behind_those_before_it(busy: Lane) -> None:
    answers = busy.ledger.submit_many([[busy.submission(timeout=3.3 * RUN) for _ in range(10)]], 5.0)
    assert [answer.status for answer in answers] == ["accepted"] * 4 + ["rejected"] * 6


def test_a_refusal_makes_more_careful_with_those_behind_it_in_the_same_call(lane: Lane) -> None:
    learn(lane, "t", 10)
    learn(lane, "t", 60, partition="slow")
    learn(lane, "t", 1, partition="wild", deviation=0.5)
    lane.beat(slots=1)
    lane.running(timeout=600)
    batch = [lane.submission(partition=partition, timeout=16) for partition in ("wild", "slow", "wild")]
    answers = lane.ledger.submit_many([batch], 5.0)
    assert [answer.status for answer in answers] == ["accepted", "rejected", "rejected"]


def learn(lane: Lane, name: str, seconds: float, partition: str = "", deviation: float = 0) -> None:
    """A run of the type took so long, and others before it did, too."""
    known = f"{seconds * 1000:.3f} {deviation * 1000:.3f} {lane.now()}"
    if partition:
        lane.redis.set(lane.keys.runtime(f"{name} {partition}"), known, ex=60)
    else:
        lane.redis.hset(lane.keys.runtimes, name, known)


def ask_to_come_in(lane: Lane, **fields: object) -> Submitted:
    return lane.ledger.submit(lane.submission("bob", **fields))
