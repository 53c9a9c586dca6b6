"""What must come of it when all goes well from now on: every work ends, and nothing is left of any."""

from collections.abc import Sequence

from askfirst.interest.records import Submission
from askfirst.interest.states import Verdict
from tests.support.model import Violation
from tests.support.paired import Pair

_ROUNDS = 200  # of two and a half seconds: more than the longest deadline


def settle(pair: Pair, callers: Sequence[str]) -> None:
    """A healthy worker comes, callers keep their pulse; then an hour passes."""
    for turn in range(_ROUNDS):
        if not any(work.live for work in pair.model.works.values()):
            break
        pair.pass_time(2.5)
        pair.check()
        for caller in callers:
            pair.pulse(caller)
        pair.beat("healthy")
        pair.tend(idle=True)
        _run_all(pair, turn)
        pair.check()
    else:
        left = [work for work in pair.model.works.values() if work.live]
        raise Violation(f"never ended: {left}")
    _look_an_hour_later(pair)


def _run_all(pair: Pair, turn: int) -> None:
    for _ in range(100):
        message = pair.take()
        if message is None:
            return
        id, deadline = message
        run = Submission(id, pair.lane.name, "t", "d:nobody:0", 0.0, "a letter", 20.0)
        answer = pair.ask(id, "healthy", f"h{turn}", deadline)
        if answer is None:
            pair.adopt(run, deadline)
            answer = pair.ask(id, "healthy", f"h{turn}", deadline)
        if answer is not None and answer.verdict is Verdict.RUN:
            pair.finish(run, answer.fence)
    raise Violation("a message comes again and again")


def _look_an_hour_later(pair: Pair) -> None:
    pair.pass_time(3600)
    pair.check()
    pair.beat("healthy")
    for _ in range(3):
        pair.tend(idle=True)
    _run_all(pair, _ROUNDS)
    seen = pair.check()
    names = pair.lane.keys
    about_the_lane = {names.workers, names.evidence, names.slots, names.load, names.totals, names.spent, names.runtimes}
    left = {key for key, *_ in seen.entries} - about_the_lane - {"clock", names.limits, names.pulse}
    if left:
        raise Violation(f"left after an hour: {sorted(left)}")
