"""From a claimed instant to its work in the ledger, exactly once.

The claim has fixed the work's id. Whoever publishes it, and however often, submits that id: the ledger takes it in
once, and remembers it for at least two minutes. A scheduler that stalls between claim and publication has lost the
right to publish after ten seconds, by the clock of Redis and not by its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..interest.errors import LedgerUnavailable, UnknownWork, WorkError
from ..interest.records import SCHEDULED, Submission, Submitted, lane_of
from ..interest.script import Argument
from ..tasks.message import compose
from ..tasks.published import Callee
from ..waiters.client import Client
from ..waiters.submitting import callee_of
from .definition import Schedule
from .definitions import Definitions
from .entries import Entry, as_moment
from .store import Claimed, Store

_log = logging.getLogger("askfirst.schedules")
_FENCE: Final = 10_000  # ms from the claim on in which it may be published
_REMEMBERED: Final = 120.0  # seconds; far longer than the fence
_FIRST_LOOK: Final = 200  # ms from the publication until somebody looks at the run
_LATER: Final = (200, 2000)  # ms until a work that the ledger has no room for is submitted again, at least and at most
Note = Mapping[str, Argument]


@dataclass(frozen=True, slots=True)
class _Draft:
    claimed: Claimed
    submission: Submission


class Publisher:
    """Publishes for one process."""

    def __init__(self, client: Client, store: Store, definitions: Definitions) -> None:
        self._client = client
        self._store = store
        self._definitions = definitions

    def lane_of(self, schedule: Schedule) -> str:
        """The lane of its work type, or an empty text if that is unknown now."""
        try:
            return callee_of(self._client, schedule.work).lane
        except UnknownWork:
            return ""

    def publish(self, claims: Sequence[Claimed]) -> None:
        """Submits the works of these claims, and of those that they make room for."""
        while claims:
            schedules = self._definitions.of((claimed.id, claimed.revision) for claimed in claims)
            drafts, notes = self._drafts(claims, schedules)
            if drafts:
                self._client.ledger.know_lanes({draft.submission.lane for draft in drafts})
                answers = self._client.ledger.submit_each([draft.submission for draft in drafts])
                for draft, answer in zip(drafts, answers, strict=True):
                    notes += _note(draft, answer)
            claims = [claimed for found in self._store.published(notes) for claimed in found or ()]

    def _drafts(
        self, claims: Iterable[Claimed], schedules: Mapping[str, Schedule]
    ) -> tuple[list[_Draft], list[Note]]:
        """What is to be submitted, and a note on each claim that can't be."""
        drafts: list[_Draft] = []
        notes: list[Note] = []
        for claimed in claims:
            schedule = schedules.get(claimed.id)
            if schedule is None:
                continue  # deleted meanwhile: whoever did that sees to its claims
            try:
                drafts.append(self._draft(claimed, schedule))
            except LedgerUnavailable:
                raise
            except (WorkError, _TooLate) as error:
                if self._client.ledger.statuses([claimed.entry.work])[0] is not None:
                    # Somebody published it, and nobody was there for long who noted that.
                    notes.append(_about(claimed, how="fired", again=_FIRST_LOOK))
                    continue
                _log.error("%s is not published: %s", label(claimed.id, claimed.entry), error)
                notes.append(_about(claimed, how="missed", why=str(error)))
        return drafts, notes

    def _draft(self, claimed: Claimed, schedule: Schedule) -> _Draft:
        entry = claimed.entry
        callee = callee_of(self._client, schedule.work)
        left = deadline_of(schedule, callee) - (claimed.at - entry.claimed_at) / 1000
        if left <= 0:
            raise _TooLate("the ledger had no room for it in time")
        text = json.dumps(schedule.payload, separators=(",", ":"))
        partition = callee.partition(text)
        key = key_of(schedule, entry)
        retention = max(callee.retention or self._client.settings.retention, _REMEMBERED)
        ours = {"retention": retention, "importance": "normal", "key": key, "interest": SCHEDULED}
        ours |= {"nominal": entry.nominal} | ({"partition": partition} if partition else {})
        submission = Submission(
            id=entry.work,
            lane=lane_of(entry.work) or "",
            name=callee.name,
            interest=SCHEDULED,
            timeout=left,
            letter=compose(entry.work, callee.name, text, ours, self._client.ledger.seal, left),
            retention=retention,
            key=key,
            partition=partition,
            latest=claimed.at + _FENCE,
        )
        return _Draft(claimed, submission)


class _TooLate(Exception):
    """The run's deadline passed before it could be submitted."""


def deadline_of(schedule: Schedule, callee: Callee) -> float:
    """Seconds that a run of the schedule has, from its claim on."""
    return callee.timeout if schedule.timeout is None else schedule.timeout


def label(id: str, entry: Entry) -> str:
    """The instant as keys and logs name it: `schedule@instant`."""
    moment = as_moment(entry.nominal)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
    by_hand = "/trigger" if entry.cause == "triggered" else ""
    return f"{id}@{text}{by_hand}" + (f"/{entry.run}" if entry.run > 1 else "")


def key_of(schedule: Schedule, entry: Entry) -> str:
    """The key of the instant's work."""
    return label(schedule.key or schedule.id, entry)


def _note(draft: _Draft, answer: Submitted) -> list[Note]:
    if answer.status == "rejected":
        again = min(max(round(answer.retry_after * 1000), _LATER[0]), _LATER[1])
        return [_about(draft.claimed, how="later", again=again)]
    if answer.status == "late":
        return []  # taken over by a peer while this process stood still
    return [_about(draft.claimed, how="fired", runs_as=answer.id, again=_FIRST_LOOK)]


def _about(claimed: Claimed, *, how: str, runs_as: str = "", why: str = "", again: int = 0) -> Note:
    entry = claimed.entry
    return {
        "id": claimed.id,
        "instant": entry.instant,
        "work": entry.work,
        "runs_as": runs_as or entry.work,
        "how": how,
        "why": why,
        "again": again,
    }
