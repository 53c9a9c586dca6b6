"""One lane of the ledger on a bench: short ways to every script, and a clock that can be moved.

The ledger's clock is Redis's own. `let_pass` makes it later for all that the lane has written, by moving every time in
there into the past: what was due in five seconds is due now.
"""

import dataclasses
import json
import secrets
from collections.abc import Sequence
from typing import Any

from askfirst.interest.keys import LaneKeys
from askfirst.interest.ledger import Ending, Ledger
from askfirst.interest.records import Answer, Claim, Outcome, Retried, Submission, WorkStatus, new_id, read_letter
from askfirst.interest.states import Reason, State, Verdict

_BEAT = 2.5  # seconds: somebody is heard often enough to prove that the ledger is up
_TIMES_OF_A_WORK = ("submitted_at", "started_at", "finished_at", "deadline", "rung_at", "due")


class Lane:
    """The lane "default" of a ledger, with callers, workers and time under the test's hand."""

    def __init__(self, ledger: Ledger, redis: Any, name: str = "default") -> None:
        self.ledger = ledger
        self.redis = redis
        self.name = name
        self.keys: LaneKeys = ledger.keys(name)
        self._interests = 0
        self._fences: dict[tuple[str, int], str] = {}

    # Callers

    def interest(self, caller: str = "alice", *, detached: bool = False) -> str:
        self._interests += 1
        return f"{'d' if detached else 'a'}:{caller}:{self._interests}"

    def submission(self, caller: str = "alice", *, detached: bool = False, **fields: Any) -> Submission:
        id = fields.pop("id", None) or new_id(self.name)
        payload = {"x": 1}
        letter = (
            '"task":"t","id":"' + id + '"},"content-type":"application/json","content-encoding":"utf-8","body":'
            + json.dumps(json.dumps([[], payload, {}])) + "}"
        )  # fmt: skip
        interest = fields.pop("interest", None) or self.interest(caller, detached=detached)
        values: dict[str, Any] = {"name": "t", "timeout": 60.0, "retention": 300.0, "letter": letter} | fields
        return Submission(id=id, lane=self.name, interest=interest, **values)

    def submit(self, caller: str = "alice", *, detached: bool = False, **fields: Any) -> Submission:
        """A new work, as its submission; the id is the one it has in the ledger."""
        submission = self.submission(caller, detached=detached, **fields)
        answer = self.ledger.submit(submission)
        return dataclasses.replace(submission, id=answer.id)

    def running(self, caller: str = "alice", *, worker: str = "w1", **fields: Any) -> Submission:
        """A work that a worker has just started, as its first attempt."""
        submission = self.submit(caller, **fields)
        answer = self.ask(submission.id, worker=worker)
        assert answer is not None
        assert answer.verdict is Verdict.RUN, answer
        return submission

    def ended(self, state: State, **fields: Any) -> Submission:
        """A work that ended in this state."""
        submission = self.running(**fields)
        reason = {State.EXPIRED: Reason.DEADLINE_PASSED, State.CANCELLED: Reason.WITHDRAWN}.get(state, "")
        if state is State.EXPIRED:
            # A run that is wanted doesn't end so: its interests are overdue.
            self.redis.zadd(self.keys.interests(submission.id), dict.fromkeys(self._interests_in(submission.id), 1))
        self.finish(submission, state=state, reason=str(reason))
        assert self.state(submission.id) is state
        return submission

    def _interests_in(self, id: str) -> list[Any]:
        return list(self.redis.zrange(self.keys.interests(id), 0, -1))

    def withdraw(self, id: str, interest: str) -> None:
        self.ledger.withdraw(Claim(id, interest))

    def pulse(self, *callers: str) -> None:
        for caller in callers:
            self.ledger.line.call(self.ledger.pulse_call(self.name, caller))

    def mail(self, party: str) -> list[dict[str, Any]]:
        """Takes the letters out of a mailbox."""
        return [json.loads(text) for text in self._take(self.keys.mail(party))]

    def outcomes(self, caller: str = "alice") -> list[Outcome]:
        """Takes the outcomes out of a caller's mailbox."""
        return [read_letter(text, self.ledger.seal) for text in self._take(self.keys.mail(caller))]

    # Workers

    def ask(
        self, id: str, *, worker: str = "w1", nonce: str | None = None, message_deadline: int | None = None
    ) -> Answer | None:
        """Asks, by a message that says it is good for another minute unless told otherwise."""
        deadline = self.now() + 60_000 if message_deadline is None else message_deadline
        answer = self.ledger.ask(id, worker=worker, nonce=nonce or secrets.token_hex(8), message_deadline=deadline)
        if answer is not None and answer.fence:
            self._fences[id, answer.attempt] = answer.fence
        return answer

    def fence(self, id: str, attempt: int) -> str:
        """The fencing token of an attempt that was claimed here; one that nobody ever had if there was none."""
        return self._fences.get((id, attempt), f"{attempt}:{id}")

    def deliver(self, id: str) -> tuple[Verdict, str]:
        """Takes a work's message out of the queue, as a worker does, and asks; the verdict."""
        for queue in self.keys.queues:
            for text in self.redis.lrange(queue, 0, -1):
                if id in text:
                    self.redis.lrem(queue, -1, text)
        return self.verdict(id)

    def verdict(self, id: str, **options: Any) -> tuple[Verdict, str]:
        """What asking says, without the claim's details."""
        answer = self.ask(id, **options)
        assert answer is not None, f"{id} is unknown"
        return answer.verdict, answer.reason

    def finish(
        self,
        submission: Submission,
        *,
        attempt: int = 1,
        fence: str = "",
        state: State = State.COMPLETED,
        reason: str = "",
        result: str = "42",
        failure: str = "",
    ) -> Outcome | None:
        if state is State.FAILED and not failure:
            failure = json.dumps({"type": "ValueError", "message": "no", "traceback": "Traceback: no"})
        result = result if state is State.COMPLETED else ""
        ending = Ending(
            submission.id,
            fence or self.fence(submission.id, attempt),
            state,
            submission.name,
            submission.interest,
            submission.retention,
            reason,
            result,
            failure,
        )
        return self.ledger.finish(ending)

    def answer(self, id: str, result: str = "42", **ending: Any) -> None:
        """Runs a work by hand: starts it, if it does not run yet, and ends it at once."""
        if self.state(id) is not State.RUNNING:
            assert self.verdict(id) == (Verdict.RUN, "")
        fence = self.redis.hget(self.keys.work(id), "fence")
        assert self.finish(self.submission(id=id), fence=fence, result=result, **ending) is not None

    def release(self, id: str, attempt: int, *, lost: bool) -> None:
        self.ledger.release(id, self.fence(id, attempt), lost=lost)

    def retry(self, id: str, attempt: int, delay: float, failure: str) -> Retried:
        return self.ledger.retry(id, self.fence(id, attempt), delay, failure)

    def progress(self, id: str, attempt: int, progress: str) -> bool:
        return self.ledger.progress(id, self.fence(id, attempt), progress)

    def beat(self, *runs: tuple[str, int], worker: str = "w1", slots: int = 0) -> dict[str, str]:
        """A worker's heartbeat; the reason to stop of each run, empty where it may go on."""
        ids = {self.fence(id, attempt): id for id, attempt in runs}
        renewals = self.ledger.beat(self.name, worker, slots, [(id, fence) for fence, id in ids.items()])
        return {ids[renewal.fence]: renewal.stop for renewal in renewals}

    def tend(self, *, idle: bool = False, limit: int = 100) -> float:
        return self.ledger.tend(self.name, idle=idle, limit=limit)

    # Looking

    def state(self, id: str) -> State | None:
        value = self.redis.hget(self.keys.work(id), "state")
        return State(value) if value else None

    def status(self, id: str) -> WorkStatus:
        status = self.ledger.statuses([id])[0]
        assert status is not None, f"{id} is unknown"
        return status

    def messages(self) -> list[dict[str, Any]]:
        """Takes the messages out of the lane's queue, in the order in which workers do."""
        return [json.loads(text) for queue in self.keys.queues for text in reversed(self._take(queue))]

    def rung(self) -> list[str]:
        """The same, by the ids of their works."""
        return [message["properties"]["correlation_id"] for message in self.messages()]

    def _take(self, key: str) -> list[str]:
        """All that is in a list, and nobody else gets it."""
        transaction = self.redis.pipeline(transaction=True)
        found: list[str] = transaction.lrange(key, 0, -1).delete(key).execute()[0]
        return found

    # A server's memory

    def snapshot(self) -> list[tuple[str, int, bytes]]:
        """All that the database has, as the server would have it again after a crash: keys, ms left or 0, values."""
        client = self.redis
        return [
            (key, max(client.pttl(key), 0), client.execute_command("DUMP", key, NEVER_DECODE=True))
            for key in client.scan_iter(count=1000)
        ]

    def restore(self, snapshot: list[tuple[str, int, bytes]]) -> None:
        """What has been written since is lost."""
        self.redis.flushdb()
        for key, left, value in snapshot:
            self.redis.restore(key, left, value)

    # Time

    def now(self) -> int:
        """The ledger's clock, in ms."""
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def let_pass(self, seconds: float, *, up: bool = False, pulses: Sequence[str] = ()) -> None:
        """Time passes. `up`: a worker beats all the while, which is evidence that the ledger is there; else it is mute.

        The callers in `pulses` keep their pulse.
        """
        left = seconds
        while left > 0:
            step = min(_BEAT, left) if up or pulses else left
            self._shift(round(step * 1000))
            left -= step
            if up:
                self.beat(worker="clock")
            self.pulse(*pulses)

    def _shift(self, milliseconds: int) -> None:
        keys = list(self.redis.scan_iter(match=f"{self.keys.base}:*", count=1000))
        kinds = [key.removeprefix(self.keys.base + ":").split(":", 1)[0] for key in keys]
        for key, kind in zip(keys, kinds, strict=True):
            if kind in ("interests", "index", "pulse", "workers", "ends", "permits", "starts"):
                self._shift_scores(key, milliseconds)
            elif kind == "work":
                self._shift_fields(key, _TIMES_OF_A_WORK, milliseconds)
            elif kind == "evidence":
                heard = [f"heard:{importance}" for importance in ("critical", "normal", "sheddable")]
                self._shift_fields(key, ("last", "since", "swept_at", *heard), milliseconds)
            elif kind == "load":
                self._shift_fields(key, ("slots_at",), milliseconds)
            elif kind == "runtimes":
                self._shift_runtimes(key, milliseconds)
            left = self.redis.pttl(key)
            if left >= 0:
                self.redis.pexpire(key, left - milliseconds)  # deletes it if that is in the past

    def _shift_scores(self, key: str, milliseconds: int) -> None:
        moved = {member: int(score) - milliseconds for member, score in self.redis.zrange(key, 0, -1, withscores=True)}
        if moved:
            self.redis.zadd(key, moved)

    def _shift_fields(self, key: str, names: Sequence[str], milliseconds: int) -> None:
        found = zip(names, self.redis.hmget(key, names), strict=True)
        moved = {name: int(value) - milliseconds for name, value in found if value is not None}
        if moved:
            self.redis.hset(key, mapping=moved)

    def _shift_runtimes(self, key: str, milliseconds: int) -> None:
        for name, known in self.redis.hgetall(key).items():
            mean, deviation, at = known.split(" ")
            self.redis.hset(key, name, f"{mean} {deviation} {int(at) - milliseconds}")
