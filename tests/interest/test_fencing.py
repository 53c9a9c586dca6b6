"""A server that comes back without its last second may give the same claim twice: it is not the same claim."""

import pytest

from askfirst.interest.records import Outcome, Submission
from askfirst.interest.states import Reason, State
from tests.support.lanes import Lane


class Twice:
    """A work that two workers were given as its first attempt: the server forgot the first."""

    def __init__(self, lane: Lane) -> None:
        self.submission: Submission = lane.submit()
        before = lane.snapshot()
        self.first = self._claim(lane, "w1")
        lane.restore(before)
        self.second = self._claim(lane, "w2")
        assert self.first != self.second

    def _claim(self, lane: Lane, worker: str) -> str:
        answer = lane.ask(self.submission.id, worker=worker)
        assert answer is not None
        assert answer.attempt == 1
        return answer.fence


@pytest.fixture
def twice(lane: Lane) -> Twice:
    return Twice(lane)


def test_only_the_result_of_the_claim_that_stands_is_taken(lane: Lane, twice: Twice) -> None:
    assert lane.finish(twice.submission, fence=twice.first, result='"forgotten"') is None
    assert lane.outcomes() == []
    assert lane.finish(twice.submission, fence=twice.second, result='"stands"') is not None
    assert lane.outcomes() == [Outcome(twice.submission.id, State.COMPLETED, "", '"stands"')]


def test_a_forgotten_claim_is_told_to_stop_and_renews_nothing(lane: Lane, twice: Twice) -> None:
    id = twice.submission.id
    lease = lane.redis.zscore(lane.keys.index("RUNNING"), id)
    [renewal] = lane.ledger.beat(lane.name, "w1", 1, [(id, twice.first)])
    assert renewal.stop == Reason.LEASE_LOST
    assert lane.redis.zscore(lane.keys.index("RUNNING"), id) == lease
    [renewal] = lane.ledger.beat(lane.name, "w2", 1, [(id, twice.second)])
    assert renewal.stop == ""


@pytest.mark.parametrize("what", ["progress", "retry", "release"])
def test_nothing_of_a_forgotten_claim_is_taken(lane: Lane, twice: Twice, what: str) -> None:
    id = twice.submission.id
    before = lane.redis.hgetall(lane.keys.work(id))
    if what == "progress":
        assert lane.ledger.progress(id, twice.first, "{}") is False
    elif what == "retry":
        assert lane.ledger.retry(id, twice.first, 0.0, "{}") == "stale"
    else:
        lane.ledger.release(id, twice.first, lost=True)
    assert lane.redis.hgetall(lane.keys.work(id)) == before


def test_a_claim_that_the_server_forgot_gives_its_work_up(lane: Lane) -> None:
    submission = lane.submit()
    before = lane.snapshot()
    lane.ask(submission.id)
    lane.restore(before)
    assert lane.beat((submission.id, 1)) == {submission.id: Reason.LEASE_LOST}
    assert lane.finish(submission) is None
    assert lane.state(submission.id) is State.PENDING
