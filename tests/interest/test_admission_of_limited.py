"""What would be held for its limit until it is too late is refused at the door."""

import pytest

from askfirst.config.units import Rate
from askfirst.interest.limits import Declaration, Limit, declare
from askfirst.interest.records import Submission
from tests.support.lanes import Lane

RUN = 2.0  # seconds that each run takes here: what the test itself takes doesn't count beside it


@pytest.fixture
def roomy(lane: Lane) -> Lane:
    """A lane with slots for everybody, where two of type "t" may run at once."""
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=2), expected=RUN)}, None)
    lane.beat(slots=100)
    return lane


def come(lane: Lane, many: int, **fields: str) -> list[Submission]:
    """So many patient works, each of which has asked: those that may not run are held."""
    works = [lane.submit(timeout=600, **fields) for _ in range(many)]
    for work in works:
        lane.deliver(work.id)
    return works


def status(lane: Lane, timeout: float, **fields: str) -> str:
    return lane.ledger.submit(lane.submission(timeout=timeout, **fields)).status


def test_held_works_take_the_permits_in_turn(roomy: Lane) -> None:
    come(roomy, 2 + 7)
    # Numbers 0 and 1 of the held start after one RUN, the eighth after four; a tenth of the wait is asked for on top.
    assert status(roomy, 4.5 * RUN) == "rejected"
    assert status(roomy, 5.6 * RUN) == "accepted"


def test_with_a_permit_free_a_work_is_let_in(roomy: Lane) -> None:
    come(roomy, 1)
    assert status(roomy, 0.1 * RUN) == "accepted"


def test_a_limit_shuts_the_door_to_its_own_works_only(roomy: Lane) -> None:
    come(roomy, 20)
    assert status(roomy, 5 * RUN) == "rejected"
    assert status(roomy, 0.1 * RUN, name="other") == "accepted"
    assert not roomy.redis.hexists(roomy.keys.load, "refused_at")  # the lane is not overloaded


def test_each_partition_has_a_line_of_its_own(roomy: Lane) -> None:
    come(roomy, 20, partition="big")
    assert status(roomy, 5 * RUN, partition="big") == "rejected"
    assert status(roomy, 0.1 * RUN, partition="small") == "accepted"


def test_held_works_that_go_make_room(roomy: Lane) -> None:
    works = come(roomy, 2 + 7)
    for work in works[2:]:
        roomy.withdraw(work.id, work.interest)
    assert status(roomy, 2.5 * RUN) == "accepted"


def test_permits_above_a_lowered_limit_do_not_come_back(roomy: Lane) -> None:
    come(roomy, 2)
    declare(roomy.ledger, roomy.name, {"t": Declaration(Limit(max_concurrent=1), expected=RUN)}, None)
    roomy.let_pass(0.9 * RUN)
    come(roomy, 3)
    assert status(roomy, 3.5 * RUN) == "rejected"
    assert status(roomy, 5 * RUN) == "accepted"


def test_starts_of_a_rate_come_free_in_turn(roomy: Lane) -> None:
    declare(roomy.ledger, roomy.name, {"t": Declaration(Limit(rate=Rate(2, 10.0)), expected=0.1)}, None)
    come(roomy, 2 + 3)
    assert status(roomy, 21) == "rejected"
    assert status(roomy, 23) == "accepted"


def test_where_no_worker_is_heard_nobody_is_refused(roomy: Lane) -> None:
    come(roomy, 20)
    roomy.let_pass(11, pulses=["alice"])
    assert status(roomy, 0.1 * RUN) == "accepted"
