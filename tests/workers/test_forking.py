"""A worker replaces its processes while its threads go on: none may take half of what a thread did with it."""

from askfirst import WorkContext
from askfirst.interest.ledger import Ledger
from askfirst.workers.reporting import Reporter
from askfirst.workers.running import describe_error
from tests.support.forking import uses_of_pydantic
from tests.support.lanes import Lane


def test_what_a_run_tells_is_written_while_no_process_forks(ledger: Ledger, lane: Lane) -> None:
    run = lane.running()
    reporter = Reporter(ledger, run.id, lane.fence(run.id, 1))
    with uses_of_pydantic() as uses:
        describe_error(ValueError("no"))
        WorkContext(timeout=1, report=reporter.report).progress(1)
    assert len(uses.guarded) == 3  # an error, and a progress that is made and written
    assert not uses.open
    assert lane.status(run.id).progress is not None
