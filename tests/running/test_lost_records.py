"""A ledger that lost a record has not lost the interest in it: the run goes on."""

import pytest

from askfirst import State, submit_work
from tests.support import running
from tests.support.fleet import Fleet
from tests.support.running import Log


@pytest.mark.slow
def test_a_run_whose_record_the_ledger_lost_goes_on_and_its_result_counts(fleet: Fleet, log: Log) -> None:
    waiter = submit_work(running.trace, log=log.path, seconds=2.5, timeout=20)
    log.wait_for("began")
    keys = fleet.lane.keys
    assert fleet.redis.delete(keys.work(waiter.id), keys.interests(waiter.id)) == 2
    fleet.redis.zrem(keys.index("RUNNING"), waiter.id)
    assert waiter.result(timeout=10) == 1
    assert fleet.lane.state(waiter.id) is State.COMPLETED
    assert len(log.runs()) == 1
