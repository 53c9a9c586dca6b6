"""What slots a worker says that a lane has."""

from types import SimpleNamespace

from askfirst.config import Settings
from askfirst.interest.records import new_id
from askfirst.workers.runtime import Claim, Runtime


def test_a_lane_has_the_slots_that_others_do_not_hold_and_is_never_taken_for_one_without_workers() -> None:
    runtime = Runtime(Settings(), None, own=True)
    runtime.pool = SimpleNamespace(num_processes=2)
    assert runtime.slots_for("a") == 2
    said = []
    for _ in range(2):
        runtime.add_claim(Claim(new_id("b"), f"1:{len(said)}", 0.0, 0.0, kill=lambda: None))
        said.append((runtime.slots_for("a"), runtime.slots_for("b")))
    assert said == [(1, 2), (1, 2)]
