"""Dead work behind dead work never reaches a worker."""

from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane


def test_live_work_behind_a_crowd_of_dead_work_is_reached_after_a_few_questions(lane: Lane) -> None:
    dead = [lane.submit(timeout=1, interest=f"d:gone:{n}") for n in range(200)]
    live = lane.submit(timeout=600)
    lane.let_pass(2)
    asked = 0
    while (id := next_message(lane)) != live.id:
        assert lane.ask(id).verdict is Verdict.DROP
        asked += 1
    assert asked <= 5
    assert {lane.state(each.id) for each in dead} == {State.EXPIRED}
    assert lane.ask(live.id).verdict is Verdict.RUN


def test_swept_messages_are_told_with_their_reasons(lane: Lane) -> None:
    for n in range(3):
        lane.submit(timeout=1, interest=f"d:gone:{n}")
    lane.let_pass(2)
    answer = lane.ask(next_message(lane))
    assert [reason for _, reason in answer.swept] == [Reason.DEADLINE_PASSED] * 2
    assert next_message(lane) is None


def test_a_message_whose_record_is_lost_is_left_for_a_worker_to_ask_about(lane: Lane) -> None:
    first = lane.submit(timeout=1, interest="d:gone:1")
    lost = lane.submit(timeout=600)
    lane.let_pass(2)
    lane.redis.delete(lane.keys.work(lost.id), lane.keys.interests(lost.id))
    assert next_message(lane) == first.id
    assert lane.ask(first.id).swept == ()
    assert next_message(lane) == lost.id


def next_message(lane: Lane) -> str | None:
    """Takes a message as a worker does: the id of its work."""
    text = lane.redis.rpop(lane.keys.queue)
    return None if text is None else text.split('"correlation_id":"')[1].split('"')[0]
