"""A worker that was away longer than a lease may be given its own work again while the old run is still there."""

from askfirst.config import Settings
from askfirst.interest.records import new_id
from askfirst.interest.states import Reason
from askfirst.tasks import WorkContext
from askfirst.workers.runtime import Claim, Running, Runtime

OLD, NEW = "1:a", "2:b"


def test_the_token_of_the_old_run_is_tripped_and_not_that_of_the_new() -> None:
    running, id = Running(), new_id("default")
    old, new = WorkContext(id=id, attempt=1), WorkContext(id=id, attempt=2)
    running.enter(OLD, old)
    running.enter(NEW, new)
    running.trip(OLD, Reason.LEASE_LOST)
    assert (old.token.reason, new.token.reason) == (Reason.LEASE_LOST, "")


def test_the_end_of_the_old_run_leaves_the_new_one_within_reach() -> None:
    running, id = Running(), new_id("default")
    old, new = WorkContext(id=id, attempt=1), WorkContext(id=id, attempt=2)
    running.enter(OLD, old)
    running.enter(NEW, new)
    running.leave(OLD)
    running.trip(NEW, Reason.WITHDRAWN)
    assert new.token.reason == Reason.WITHDRAWN


def test_both_are_the_workers_to_renew_until_they_have_ended() -> None:
    runtime, id = Runtime(Settings(), None, own=True), new_id("default")
    old, new = (Claim(id, fence, 0.0, 0.0, kill=lambda: None) for fence in (OLD, NEW))
    runtime.add_claim(old)
    runtime.add_claim(new)
    assert runtime.claims("default") == [old, new]
    runtime.drop_claim(old)
    assert runtime.claims_on(id) == [new]
