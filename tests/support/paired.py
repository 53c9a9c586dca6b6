"""The ledger and its model side by side: whatever is done is done to both, and they must agree on all of it."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from askfirst.interest.limits import Limit, set_limit
from askfirst.interest.records import Answer, Claim, Outcome, Submission
from askfirst.interest.states import Reason, State, Verdict
from tests.support.leaks import permanent_keys
from tests.support.model import Letter, Model, Violation
from tests.support.virtual import Frozen, VirtualLane

SLACK = 5_000  # ms by which Redis may forget a key earlier than the clock in the test's hand says: it has its own
_PERMANENT = permanent_keys()


class Pair:
    """A lane and its model. Every method is one call of the ledger."""

    def __init__(self, lane: VirtualLane) -> None:
        self.lane = lane
        self.model = Model(lane.now())
        self.ever_lost = False

    # Callers

    def submit(self, new: Submission) -> str:
        """The work's id, empty if it was refused."""
        said = self.lane.ledger.submit(new)
        expected = self.model.submit(new, round(new.timeout * 1000), round(new.delay * 1000))
        _agree("submit", (said.status, said.reason if said.status == "rejected" else said.id), expected)
        return said.id

    def attach(self, id: str, interest: str, timeout: float | None) -> None:
        said = self.lane.ledger.attach(id, interest, timeout)
        expected = self.model.attach(id, interest, None if timeout is None else round(timeout * 1000))
        seen = said.state if isinstance(said, Outcome) else None if said is None else round(said * 1000)
        _agree("attach", seen, expected)

    def withdraw(self, claim: Claim) -> None:
        self.lane.ledger.withdraw(claim)
        self.model.withdraw(claim.id, claim.interest, claim.name, claim.key)

    def pulse(self, caller: str) -> None:
        self.lane.pulse(caller)
        self.model.pulse(caller)

    def cancel(self, id: str, *, unknown_type: bool = False) -> None:
        reason, state = (Reason.UNKNOWN_TYPE, State.FAILED) if unknown_type else (Reason.CANCELLED, State.CANCELLED)
        said = self.lane.ledger.cancel(id, reason, state=state)
        _agree("cancel", said, self.model.cancel(id, reason, state))

    # Workers

    def ask(self, id: str, worker: str, nonce: str, message_deadline: int | None = None) -> Answer | None:
        deadline = self.model.now + 60_000 if message_deadline is None else message_deadline
        said = self.lane.ask(id, worker=worker, nonce=nonce, message_deadline=deadline)
        known = self.model.works.get(id)
        repeated = known is not None and known.state is State.RUNNING and known.fence.endswith(f":{nonce}")
        attempt = known.attempt + (not repeated) if known else 1
        too_late = said is not None and said.reason == Reason.NOT_ENOUGH_TIME
        expected = self.model.ask(id, worker, f"{attempt}:{nonce}", deadline, too_late=too_late)
        _agree("ask", said and (said.verdict, said.reason), expected)
        if said is not None and said.verdict is Verdict.RUN:
            _agree("ask", said.fence, f"{attempt}:{nonce}")
        return said

    def adopt(self, lost: Submission, message_deadline: int) -> None:
        self.lane.ledger.adopt(lost, message_deadline)
        self.model.adopt(lost, message_deadline)

    def finish(self, run: Submission, fence: str, state: State = State.COMPLETED, reason: str = "") -> None:
        said = self.lane.finish(run, fence=fence, state=state, reason=reason, result=f'"{fence}"')
        result = f'"{fence}"' if state is State.COMPLETED else None
        expected = self.model.finish(run, fence, state, reason, result)
        _agree("finish", said and (said.state, said.reason), expected)

    def retry(self, id: str, fence: str, delay: float) -> None:
        said = self.lane.ledger.retry(id, fence, delay, '{"type":"E","message":"m"}')
        _agree("retry", said, self.model.retry(id, fence, round(delay * 1000)))

    def release(self, id: str, fence: str, *, lost: bool) -> None:
        self.lane.ledger.release(id, fence, lost=lost)
        self.model.release(id, fence, lost=lost)

    def progress(self, id: str, fence: str) -> None:
        said = self.lane.ledger.progress(id, fence, '{"done":1}')
        _agree("progress", said, self.model.progress(id, fence))

    def beat(self, worker: str, runs: Sequence[tuple[str, str]] = (), slots: int = 0) -> dict[str, str]:
        """Of each run, by its fence: why it must stop, or empty."""
        renewals = self.lane.ledger.beat(self.lane.name, worker, slots, runs)
        said = {each.fence: each.stop for each in renewals}
        _agree("beat", said, self.model.beat(list(runs)))
        return said

    def tend(self, *, idle: bool) -> None:
        self.lane.tend(idle=idle)
        self.model.tend_running()
        self._follow_ends()

    def sweep(self) -> None:
        line = self.lane.line
        line.command("PING")  # it sends by itself, and looks at nothing
        self.lane.ledger.sweep(self.lane.name, lambda swept: True, told=True)
        line.command("PING")
        self._follow_ends()

    def offer(self, ids: Sequence[str]) -> None:
        self.lane.ledger.offer(self.lane.name, ids)

    def leave(self, worker: str) -> None:
        self.lane.ledger.leave(self.lane.name, worker)

    def take(self) -> tuple[str, int] | None:
        """Takes the next message out of the queue, as a worker does: the work's id and the deadline that it tells."""
        for queue in self.lane.keys.queues:
            if text := self.lane.line.command("RPOP", queue):
                message = json.loads(text)
                return message["properties"]["correlation_id"], int(message["headers"]["askfirst_deadline"])
        return None

    # Operators and accidents

    def set_limit(self, name: str, most: int | None) -> None:
        set_limit(self.lane.ledger, self.lane.name, name, None, Limit(most) if most else None)
        self.model.set_limit(name, most)

    def forget(self, id: str, older_than: float) -> None:
        said = self.lane.ledger.forget(self.lane.name, [id], older_than)
        _agree("forget", said, int(self.model.forget(id, round(older_than * 1000))))

    def lose(self, id: str) -> None:
        """The ledger loses a work's record, and all that belongs to it alone."""
        self.ever_lost = True
        names = self.lane.keys
        lost = (names.work(id), names.interests(id), names.letter(id), names.tombstone(id))
        self.lane.line.command("DEL", *lost)
        self.model.lose(id)

    def pass_time(self, seconds: float) -> None:
        """Nobody is heard meanwhile."""
        self.lane.let_pass(seconds)
        self.model.now += round(seconds * 1000)

    # Agreement

    def check(self) -> Frozen:
        """All that the ledger holds, which is what the model says, but for what it has told: that is taken out."""
        seen = self.lane.line.seen
        self._follow_vanishing(seen)
        self._follow_lateness(seen)
        names = self.lane.keys
        works = self.model.works
        _agree("works", sorted(_suffixes(seen, names.work(""))), sorted(works))
        for id, work in works.items():
            record = seen.hash(names.work(id))
            _agree(id, _of_record(record), _of_model(work))
            _agree(f"interests in {id}", seen.scores(names.interests(id)), work.interests)
            _agree(f"a letter of {id}", names.letter(id) in seen, work.live)
        self._check_indexes(seen)
        self._check_limits(seen)
        self._check_mail(seen)
        left = [key for key in seen.without_end() if not _is_permanent(key)]
        _agree("without a TTL", left, ["clock"])
        mail = [key for key, *_ in seen.entries if key.startswith(names.mail(""))]
        if mail:
            self.lane.line.before_the_next("DEL", *mail)
            self.lane.line.seen = Frozen([entry for entry in seen.entries if entry[0] not in mail])
        return self.lane.line.seen

    def _check_indexes(self, seen: Frozen) -> None:
        names, works = self.lane.keys, self.model.works
        for state in State:
            listed = set(seen.scores(names.index(state)))
            if state.ended or self.ever_lost:
                # Those whose records are gone are listed until a caretaker comes.
                listed -= {id for id in listed if id not in works or (self.ever_lost and works[id].state is not state)}
            _agree(f"index {state}", listed, {id for id, work in works.items() if work.state is state})
        leases = seen.scores(names.index(State.RUNNING))
        for id, work in works.items():
            if work.state is State.RUNNING:
                _agree(f"lease of {id}", leases[id], work.lease_end)
        if self.ever_lost:
            return
        running = {id for id, work in works.items() if work.state is State.RUNNING}
        _agree("runs that the load knows", set(seen.scores(names.ends)) & set(works), running)
        load = seen.hash(names.load)
        waiting = sum(int(load.get(f"waiting:{each}", 0)) for each in ("critical", "normal", "sheddable"))
        _agree(
            "waiting", waiting, sum("queued" in seen.hash(names.work(id)) for id, work in works.items() if work.live)
        )

    def _check_limits(self, seen: Frozen) -> None:
        names, works = self.lane.keys, self.model.works
        for name in {work.name for work in works.values()} | set(self.model.limits):
            permitted = {id for id, work in works.items() if work.name == name and work.permit}
            held = {id for id, work in works.items() if work.name == name and work.held}
            _agree(f"permits of {name}", set(seen.scores(names.permits(name))), permitted)
            _agree(f"held of {name}", set(seen.scores(names.held(name))), held)
            waiting = {id for id in permitted if works[id].state is State.PENDING}
            _agree(f"released of {name}", set(seen[names.released(name)]) & waiting, waiting)

    def _check_mail(self, seen: Frozen) -> None:
        letters, orders = [], []
        for key in _suffixes(seen, self.lane.keys.mail("")):
            for text in seen[self.lane.keys.mail(key)]:
                said = json.loads(text)
                if "state" in said:
                    letters.append((key, Letter(said["id"], State(said["state"]), said["reason"], said.get("result"))))
                else:
                    what = "extend" if "extend" in said else said.get("reason", "look")
                    orders.append((key, said["fence"], what))
        for letter in self.model.perhaps:
            if letter in letters:
                letters.remove(letter)
        _agree("letters", sorted(letters, key=str), sorted(self.model.letters, key=str))
        _agree("orders", sorted(orders), sorted(self.model.orders))
        self.model.letters.clear()
        self.model.perhaps.clear()
        self.model.orders.clear()

    def _follow_ends(self) -> None:
        """Which pending works a caretaker found that nobody wants is the ledger's affair."""
        seen = self.lane.line.seen
        for work in list(self.model.works.values()):
            record = seen.hash(self.lane.keys.work(work.id))
            if work.state is State.PENDING and record.get("state") in (State.CANCELLED, State.EXPIRED):
                self.model.end_unwanted(work.id, record["state"], record["reason"])

    def _follow_lateness(self, seen: Frozen) -> None:
        """A permit is not given to a work that would drop it at once: that ends, whatever else was going on."""
        for work in list(self.model.works.values()):
            record = seen.hash(self.lane.keys.work(work.id))
            if work.state is State.PENDING and record["state"] == State.EXPIRED:
                self.model.end_unwanted(work.id, State.EXPIRED, record["reason"])

    def _follow_vanishing(self, seen: Frozen) -> None:
        names = self.lane.keys
        for id in [id for id in self.model.works if names.work(id) not in seen]:
            if self.model.works[id].live:
                self.ever_lost = True
            self.model.vanished(id, SLACK)
        for work in self.model.works.values():
            _agree(f"{work.id} stays", self.model.now <= self.model.goes_at(work) + SLACK, True)
        for id in [id for id in self.model.forgotten if names.tombstone(id) not in seen]:
            self.model.tombstone_vanished(id, SLACK)


def _agree(what: str, seen: Any, expected: Any) -> None:
    if seen != expected:
        raise Violation(f"{what}: the ledger says {seen}, expected {expected}")


@cache
def _is_permanent(key: str) -> bool:
    return any(each.fullmatch(key) for each in _PERMANENT)


def _suffixes(seen: Frozen, prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key, *_ in seen.entries if key.startswith(prefix)]


def _of_record(record: dict[str, str]) -> dict[str, Any]:
    state = State(record["state"])
    return {
        "state": state,
        "reason": record.get("reason", "") if state.ended else "",
        "fence": record.get("fence", ""),
        "attempt": int(record["attempt"]),
        "deadline": int(record["deadline"]),
        "stopping": record.get("stopping", ""),
        "failures": int(record["failures"]),
        "losses": int(record.get("losses", 0)),
        "result": record.get("result"),
    }


def _of_model(work: Any) -> dict[str, Any]:
    names = ("state", "reason", "fence", "attempt", "deadline", "stopping", "failures", "losses", "result")
    return {name: getattr(work, name) for name in names}
