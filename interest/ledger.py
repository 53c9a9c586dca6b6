"""The ledger: the only place where a work changes state. One method per script; times in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from . import keys
from .errors import UnknownWork
from .keys import LaneKeys
from .line import Command, Line
from .records import (
    OUTCOME_FIELDS,
    STATUS_FIELDS,
    Answer,
    Claim,
    Outcome,
    Renewal,
    Retried,
    Submission,
    Submitted,
    Swept,
    WorkStatus,
    lane_of,
    read_looked_up,
    read_status,
)
from .script import Argument, Call, script
from .sealing import Seal, TamperedError
from .states import State, Verdict

_SWEPT_AT_ONCE = 40  # dead messages: less than a millisecond of Redis
_RENEWED_AT_ONCE = 100  # leases: less than a millisecond of Redis
_SUBMITTED_AT_ONCE = 25  # works: less than a millisecond of Redis
_LETTERS_AT_ONCE = 65_536  # characters of their letters; a longer one goes alone
_TURN = 10  # batches sent before other threads get the connection

#: Publishes Celery messages (JSON texts of kombu's virtual transports) to a queue.
Doorbell = Callable[[str, Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that scripts need, in seconds. All processes of a namespace should have the same."""

    lease: float = 10.0
    pulse_timeout: float = 6.0
    max_deliveries: int = 3


class Ledger:
    """Works and interests in Redis.

    `doorbell` publishes the messages where the broker is another server than the ledger; None where it is the same one:
    there the scripts ring by themselves, in the same step as the change of state.
    """

    def __init__(
        self,
        line: Line,
        namespace: str,
        policy: Policy,
        doorbell: Doorbell | None = None,
        signing_keys: Sequence[str] = (),
    ) -> None:
        self.line = line
        self.seal = Seal(namespace, signing_keys)
        self.namespace = namespace
        self._policy = policy
        self._doorbell = doorbell

    def keys(self, lane: str) -> LaneKeys:
        """The keys of a lane."""
        return LaneKeys(self.namespace, lane)

    # Callers

    def submit(self, submission: Submission, within: float = math.inf) -> Submitted:
        """Takes a work in, or finds the one that holds its key. The call itself takes `within` seconds at most."""
        letters, reply = self.line.call(self._submit_call([submission]), within)
        self.ring(submission.lane, letters)
        return _read_submitted(reply)

    def submit_many(self, batches: Iterable[Sequence[Submission]], timeout: float) -> list[Submitted]:
        """The same for many without keys, made batch by batch while Redis works on the batch before.

        Those of a batch differ in id, interest, partition and letter only.
        """
        lanes: list[str] = []

        def calls() -> Iterator[list[Call]]:
            for batch in batches:
                lanes.extend(submission.lane for submission in batch)
                yield list(self._submit_calls(batch))

        drafted = calls()
        answers: list[Submitted] = []
        # A few batches at a time: other threads want the connection too.
        while turn := self.line.stream(islice(drafted, _TURN), timeout):
            for letters, *replies in turn:
                self.ring(lanes[len(answers)], letters)
                answers += map(_read_submitted, replies)
        return answers

    def submit_each(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Takes in works that need not have anything in common, in one round trip."""
        answers: list[Submitted] = []
        replies = self.line.batch([self._submit_call([submission]) for submission in submissions])
        for submission, (letters, reply) in zip(submissions, replies, strict=True):
            self.ring(submission.lane, letters)
            answers.append(_read_submitted(reply))
        return answers

    def attach(self, id: str, interest: str, timeout: float | None) -> Outcome | float | None:
        """Registers one more interest: seconds left, or the outcome if the work has ended, or None if it is unknown."""
        reply = self.line.call(self._attach_call(id, interest, timeout))
        if reply[0] == "unknown":
            return None
        if reply[0] == "live":
            return int(reply[1]) / 1000
        return read_looked_up(id, reply[1:], self.seal)

    def exchange_many(self, exchanges: Sequence[tuple[Claim, str, float]]) -> None:
        """Registers another interest for each claim, with its seconds from now, then takes the claims' own back."""
        # Two round trips: in one, a script that the server does not know yet would run after the others.
        self.line.batch([self._attach_call(claim.id, interest, timeout) for claim, interest, timeout in exchanges])
        self.withdraw_many([claim for claim, _, _ in exchanges])

    def _attach_call(self, id: str, interest: str, timeout: float | None) -> Call:
        wish: Argument = "" if timeout is None else milliseconds(timeout)
        return self._bind("attach", id, id=id, interest=interest, timeout=wish)

    def withdraw(self, claim: Claim) -> None:
        """Takes one interest back; with the last one the work ends or is told to stop."""
        self.withdraw_many([claim])

    def withdraw_many(self, claims: Sequence[Claim]) -> None:
        """The same for many, in one round trip."""
        calls = [self.withdraw_call(claim) for claim in claims]
        for claim, (_, letters) in zip(claims, self.line.batch(calls), strict=True):
            self.ring(lane_of(claim.id) or "", letters)

    def withdraw_call(self, claim: Claim) -> Call:
        """The same for one, as a call for the mailbox's own connection."""
        return self._bind(
            "withdraw",
            claim.id,
            id=claim.id,
            interest=claim.interest,
            name=claim.name,
            key=claim.key,
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
        )

    def outcome(self, id: str) -> Outcome | None:
        """How a work ended, or None while it has not, or if it is unknown."""
        return read_looked_up(id, self.line.batch([self.outcome_command(id)])[0], self.seal)

    def outcome_command(self, id: str) -> Command:
        """Looks up an outcome that may have been lost on its way; see `read_looked_up`."""
        return ("HMGET", self._keys_of(id).work(id), *OUTCOME_FIELDS)

    def pulse_call(self, lane: str, caller: str) -> Call:
        """The caller's sign of life, for the mailbox's own connection."""
        return script("pulse").bind((self.keys(lane).base,), caller=caller)

    # Workers

    def ask(self, id: str, *, worker: str, nonce: str, message_deadline: int) -> Answer | None:
        """May this work start now? None if the ledger has no record of it, but time is left by its message.

        `nonce` names this question, `message_deadline` is in ms of the Redis clock.
        """
        reply = self._call(
            "ask",
            id,
            id=id,
            worker=worker,
            nonce=nonce,
            lease=milliseconds(self._policy.lease),
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
            max_deliveries=self._policy.max_deliveries,
            message_deadline=message_deadline,
        )
        if reply[0] == "UNKNOWN":
            return None
        if reply[0] == Verdict.RUN:
            return Answer(Verdict.RUN, "", reply[1], int(reply[2]) / 1000, int(reply[3]))
        verdict, reason, letters = reply
        self.ring(lane_of(id) or "", letters)
        return Answer(Verdict(verdict), reason)

    def sweep(self, lane: str, look_at: Callable[[Swept], bool], *, told: bool) -> None:
        """Takes dead messages off the head of the queue, a bounded number at a time, up to a live one.

        `look_at` is given what each step took, with the messages' headers if `told`, and ends the sweep by a no. The
        next step is under way meanwhile, and comes in any case.
        """
        if self._doorbell is not None:
            return  # another server's queue
        call = script("sweep").bind(
            self.slots(lane),
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
            limit=_SWEPT_AT_ONCE,
            told=int(told),
        )

        def handle(reply: Any) -> bool:
            counts, headers, more = reply
            swept = Swept(dict(_pairs(counts)), _pairs(headers))
            return bool(counts) and look_at(swept) and bool(more)

        self.line.repeat(call, handle)

    def offer(self, lane: str, ids: Sequence[str]) -> None:
        """Rings again, ahead of all others, for works whose message waits in a worker that is busy."""
        self.ring(lane, self.line.call(script("offer").bind(self.slots(lane), tuple(ids))))

    def adopt(self, submission: Submission, message_deadline: int) -> None:
        """Writes the record of a work that the ledger lost, from what its message says."""
        self._call(
            "adopt",
            submission.id,
            id=submission.id,
            name=submission.name,
            key=submission.key,
            partition=submission.partition,
            importance=submission.importance,
            interest=submission.interest,
            deadline=message_deadline,
            retention=milliseconds(submission.retention),
            letter=submission.letter,
        )

    def finish(self, ending: Ending) -> Outcome | None:
        """Ends a run. The outcome that stands in the ledger now, or None if another claim owns the work."""
        reply = self._call(
            "finish",
            ending.id,
            id=ending.id,
            fence=ending.fence,
            state=ending.state,
            reason=ending.reason,
            result=self.seal.close(ending.result, ending.id, ending.state),
            failure=self.seal.close(ending.failure, ending.id, ending.state),
            name=ending.name,
            interest=ending.interest,
            retention=milliseconds(ending.retention),
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
        )
        if reply[0] == "stale":
            return None
        state, reason, letters = reply
        self.ring(lane_of(ending.id) or "", letters)
        return Outcome(ending.id, State(state), reason)

    def retry(self, id: str, fence: str, delay: float, failure: str) -> Retried:
        """Puts a failed run back for another try, if it can start in time and is wanted."""
        # Not as the outcome that it might be taken for.
        sealed = self.seal.close(failure, id, "RETRY")
        reply = self._call("retry", id, id=id, fence=fence, delay=milliseconds(delay), failure=sealed)
        if len(reply) > 1:
            self.ring(lane_of(id) or "", reply[1])
        return Retried(reply[0])

    def release(self, id: str, fence: str, *, lost: bool) -> None:
        """Gives a claim back before the run has ended; `lost` if its process died with it."""
        reply = self._call(
            "release",
            id,
            id=id,
            fence=fence,
            loss=int(lost),
            max_deliveries=self._policy.max_deliveries,
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
        )
        if reply[0] != "stale":
            self.ring(lane_of(id) or "", reply[1])

    def progress(self, id: str, fence: str, progress: str) -> bool:
        """Notes how far a run is (JSON); False if the claim is stale."""
        return bool(self._call("progress", id, id=id, fence=fence, progress=progress))

    def beat(self, lane: str, worker: str, slots: int, runs: Iterable[tuple[str, str]]) -> list[Renewal]:
        """Renews the leases of a worker's runs and tells which must stop. `slots` it has for this lane."""
        pairs: list[Argument] = [part for run in runs for part in run]
        starts = range(0, max(len(pairs), 1), 2 * _RENEWED_AT_ONCE)
        calls = [
            script("beat").bind(
                (self.keys(lane).base,),
                tuple(pairs[start : start + 2 * _RENEWED_AT_ONCE]),
                worker=worker,
                slots=slots,
                lease=milliseconds(self._policy.lease),
                pulse_timeout=milliseconds(self._policy.pulse_timeout),
            )
            for start in starts
        ]
        parts = [part for reply in self.line.batch(calls) for part in reply]
        triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        return [Renewal(fence, int(left) / 1000, stop) for fence, left, stop in triples]

    def tend(self, lane: str, *, idle: bool, limit: int = 25) -> float:
        """The caretaker's round through what is due; seconds until the next. `idle` if the worker has a free slot."""
        call = script("tend").bind(
            self.slots(lane),
            limit=limit,
            lease=milliseconds(self._policy.lease),
            max_deliveries=self._policy.max_deliveries,
            pulse_timeout=milliseconds(self._policy.pulse_timeout),
            idle=int(idle),
        )
        next_due, letters = self.line.call(call)
        self.ring(lane, letters)
        return int(next_due) / 1000

    def overstayed(self, lane: str) -> None:
        """Counts a run that ignored its token beyond the grace period and cannot be killed."""
        self.line.command("HINCRBY", self.keys(lane).totals, "overstayed", 1)

    def leave(self, lane: str, worker: str) -> None:
        """A worker ends in order: it is no longer listed, and its mailbox goes."""
        self.line.call(script("leave").bind((self.keys(lane).base,), worker=worker))

    # Operators

    def cancel(
        self, id: str, reason: str, *, state: State = State.CANCELLED, failure: str = "", kill: bool = False
    ) -> State | None:
        """Ends a work for all its callers: the state it was in, or None if it is unknown.

        A run is told to stop, and gets no grace period if it is to be killed.
        """
        return self._cancel(id, reason, state, failure, "kill" if kill else "stop")

    def cancel_unstarted(self, id: str, reason: str) -> State | None:
        """The same, but a run goes on; a work that is unknown yet, its submission being on its way, never comes in."""
        return self._cancel(id, reason, State.CANCELLED, "", "unstarted")

    def _cancel(self, id: str, reason: str, state: State, failure: str, how: str) -> State | None:
        sealed = self.seal.close(failure, id, state)
        was, letters = self._call("cancel", id, id=id, state=state, reason=reason, failure=sealed, how=how)
        self.ring(lane_of(id) or "", letters)
        return State(was) if was else None

    def statuses(self, ids: Sequence[str], within: float = math.inf) -> list[WorkStatus | None]:
        """What the ledger knows about each, in one round trip and `within` seconds at most."""
        commands: list[Call | Command] = []
        for id in ids:
            names = self._keys_of(id)
            commands += [("HMGET", names.work(id), *STATUS_FIELDS), ("ZCARD", names.interests(id))]
        replies = self.line.batch(commands, within=within) if commands else []
        return [
            read_status(id, record, interests)
            for id, record, interests in zip(ids, replies[::2], replies[1::2], strict=True)
        ]

    def ids_of_key(self, key: str) -> list[str]:
        """The newest work of each type under this key, in each lane: a type may have had another one before."""
        lanes = self.lanes() if _encodable(key) else []
        found = self.line.batch([("HGETALL", self.keys(lane).key(key)) for lane in lanes]) if lanes else []
        return [id for names_and_ids in found for id in names_and_ids[1::2]]

    def ids(self, lane: str, state: State, start: int, count: int) -> list[str]:
        """A page of the works in one state, those looked at last first."""
        names = self.keys(lane)
        return list(self.line.command("ZREVRANGE", names.index(state), start, start + count - 1))

    def counts(self, lane: str) -> dict[State, int]:
        """How many works of the lane are in each state now."""
        names = self.keys(lane)
        replies = self.line.batch([("ZCARD", names.index(state)) for state in State])
        return dict(zip(State, replies, strict=True))

    def totals(self, lane: str) -> dict[str, int]:
        """How many works of the lane ever ended, by `STATE` or `STATE: reason`."""
        flat = self.line.command("HGETALL", self.keys(lane).totals)
        return {name: int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}

    def workers(self, lane: str) -> dict[str, float]:
        """The lane's workers and how long ago each was heard (seconds)."""
        seconds, micros = self.line.command("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        flat = self.line.command("ZRANGE", self.keys(lane).workers, 0, -1, "WITHSCORES")
        return {worker: (now - float(at)) / 1000 for worker, at in zip(flat[::2], flat[1::2], strict=True)}

    def forget(self, lane: str, ids: Sequence[str], older_than: float) -> int:
        """Removes the records of those that ended at least `older_than` seconds ago; how many."""
        call = script("forget").bind((self.keys(lane).base,), tuple(ids), older_than=milliseconds(older_than))
        return int(self.line.call(call))

    def lanes(self) -> list[str]:
        """All lanes ever used in this namespace."""
        return sorted(self.line.command("SMEMBERS", keys.lanes(self.namespace)))

    def know_lanes(self, lanes: Iterable[str], within: float = math.inf) -> None:
        """Notes that these lanes are in use, in `within` seconds at most."""
        self.line.batch([("SADD", keys.lanes(self.namespace), *lanes)], within=within)

    # Work types

    def publish_types(self, types: dict[str, str]) -> None:
        """Makes descriptions of work types (JSON by name) known to callers that don't import them."""
        if types:
            flat = [part for name, text in types.items() for part in (name, self.seal.close(text, "type", name))]
            self.line.command("HSET", keys.types(self.namespace), *flat)

    def published_type(self, name: str, within: float = math.inf) -> str | None:
        """The description of one work type, or None, in `within` seconds at most.

        Raises `UnknownWork` for one that was tampered with.
        """
        if not _encodable(name):
            return None
        found: str | None = self.line.batch([("HGET", keys.types(self.namespace), name)], within=within)[0]
        try:
            return None if found is None else self.seal.open(found, "type", name)
        except TamperedError as tampered:
            raise UnknownWork(f"the description of a work type was changed: {tampered}") from None

    def published_names(self) -> list[str]:
        """The names of all published work types."""
        return sorted(self.line.command("HKEYS", keys.types(self.namespace)))

    # How scripts are called

    def _submit_calls(self, batch: Sequence[Submission]) -> Iterator[Call]:
        """Calls of as many works as do not hold Redis up."""
        longest = max(1, *(len(submission.letter) for submission in batch))
        count = max(min(_SUBMITTED_AT_ONCE, _LETTERS_AT_ONCE // longest), 1)
        for start in range(0, len(batch), count):
            yield self._submit_call(batch[start : start + count])

    def _submit_call(self, batch: Sequence[Submission]) -> Call:
        first = batch[0]
        return script("submit").bind(
            self.slots(first.lane),
            tuple(part for each in batch for part in (each.id, each.interest, each.partition, each.letter)),
            name=first.name,
            key=first.key,
            importance=first.importance,
            on_duplicate=first.on_duplicate,
            digest=first.digest,
            timeout=milliseconds(first.timeout),
            delay=milliseconds(first.delay),
            retention=milliseconds(first.retention),
            latest=first.latest,
        )

    def _keys_of(self, id: str) -> LaneKeys:
        lane = lane_of(id)
        if lane is None:
            raise ValueError(f"expected a work id (LANE.32 hex digits), got {id[:200]!r}")
        return self.keys(lane)

    def slots(self, lane: str) -> tuple[str, ...]:
        """The keys that scripts are given: all of the lane, and its queue where they ring by themselves."""
        names = self.keys(lane)
        return (names.base, names.queue) if self._doorbell is None else (names.base,)

    def _bind(self, name: str, work_id: str, /, **arguments: Argument) -> Call:
        return script(name).bind(self.slots(self._keys_of(work_id).lane), **arguments)

    def _call(self, name: str, work_id: str, /, **arguments: Argument) -> Any:
        return self.line.call(self._bind(name, work_id, **arguments))

    def ring(self, lane: str, letters: Sequence[str]) -> None:
        """Publishes what a script could not."""
        if letters and self._doorbell is not None:
            self._doorbell(self.keys(lane).queue, letters)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `result` and `failure` are JSON texts or empty.

    `name`, `interest` and `retention` stand in for the record, should the ledger have lost it meanwhile.
    """

    id: str
    fence: str
    state: State
    name: str
    interest: str
    retention: float
    reason: str = ""
    result: str = ""
    failure: str = ""


def _read_submitted(reply: Any) -> Submitted:
    status, what, ms = reply
    if status == "rejected":
        return Submitted(status, "", reason=what, retry_after=int(ms) / 1000)
    return Submitted(status, what, int(ms) / 1000)


def _encodable(name: str) -> bool:
    """Whether anything can be called that: not with a surrogate, which stands for a stray byte of a command line."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pairs(flat: Sequence[Any]) -> tuple[tuple[Any, Any], ...]:
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def milliseconds(seconds: float) -> int:
    """Seconds as the scripts want them, never rounded down to nothing."""
    return max(round(seconds * 1000), 1) if seconds > 0 else 0
