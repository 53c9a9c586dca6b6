"""What goes into the ledger and what comes out of it. All durations in seconds, all times in UTC."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from .forking import no_fork_meanwhile
from .sealing import Seal, TamperedError, unsealed
from .states import Reason, State, Verdict

_LATEST: Final = 253_370_764_800_000  # ms: when the year 9999 begins
_ID = re.compile(r"([A-Za-z0-9_-]{1,64})\.[0-9a-f]{32}")


def new_id(lane: str) -> str:
    """A fresh work id. It starts with the lane, so that whoever has the id knows where its record is."""
    return f"{lane}.{secrets.token_hex(16)}"


def lane_of(id: str) -> str | None:
    """The lane of a work id, or None if this is no work id."""
    match = _ID.fullmatch(id)
    return match[1] if match else None


#: The interest of a schedule: detached, and of no caller who would be sent the outcome.
SCHEDULED: Final = "d:schedule"


def new_interest(caller: str, number: int, *, detached: bool) -> str:
    """A caller's claim on a result, as `scripts/includes/interest.lua` reads it. `number` tells its interests apart."""
    return f"{'d' if detached else 'a'}:{caller}:{number}"


def is_attached(interest: str) -> bool:
    """Whether it dies with its caller's pulse."""
    return interest.startswith("a:")


def attempt_of(fence: str) -> int:
    """The attempt that a fencing token stands for; `scripts/ask.lua` makes it of this and the nonce of the question."""
    return int(fence.partition(":")[0])


@dataclass(frozen=True, slots=True)
class Claim:
    """An interest with the work it is in. Where the reply to a submission was lost, that may be another of the key."""

    id: str
    interest: str
    name: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Submission:
    """One work as its caller hands it over.

    `digest` is the payload's where `on_duplicate` is "once": a key stands for one payload then. `latest` is when the
    caller has lost the right to submit it, in ms of the Redis clock; 0 is never.
    """

    id: str
    lane: str
    name: str
    interest: str
    timeout: float
    letter: str
    retention: float
    key: str = ""
    partition: str = ""
    importance: str = "normal"
    on_duplicate: str = "join"
    digest: str = ""
    delay: float = 0.0
    latest: int = 0


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a submission: `status` is accepted, joined, duplicate, rejected or late.

    `remaining` are the seconds until the deadline; of a rejected one `reason` and `retry_after` (seconds) are set.
    """

    status: str
    id: str
    remaining: float = 0.0
    reason: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger says to a worker that asks. `fence` to `failures` are set where the verdict is RUN."""

    verdict: Verdict
    reason: str = ""
    fence: str = ""
    """The claim's fencing token: whatever is written for the run must carry it."""
    remaining: float = 0.0
    failures: int = 0

    @property
    def attempt(self) -> int:
        """How often the work has been started, this start included; 0 where it isn't."""
        return attempt_of(self.fence) if self.fence else 0


@dataclass(frozen=True, slots=True)
class Swept:
    """Dead messages taken out of a queue: how many by reason; if asked, each one's headers (JSON) and reason."""

    reasons: dict[str, int]
    messages: tuple[tuple[str, str], ...] = ()


class Retried(StrEnum):
    """What became of a failed run that asked for another try."""

    RETRYING = "retrying"
    """It waits in the ledger for its next start."""
    LATE = "late"
    """It could not start before the deadline."""
    STOPPING = "stopping"
    """Nobody wants it any more."""
    STALE = "stale"
    """Another claim owns the work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a work ended. `result` is JSON; `error` has type, message and traceback."""

    id: str
    state: State
    reason: str = ""
    result: str | None = None
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """The answer to a heartbeat for one run: time left, or why it must stop."""

    fence: str
    remaining: float
    stop: str


def _encodable(text: object) -> object:
    """File names and the like can hold lone surrogates, which neither UTF-8 nor JSON can carry."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_encodable)]


class Progress(BaseModel):
    """How far a run is: `done` of `total` (unknown if None), in the work's own unit."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)
    done: float
    total: float | None = None
    note: Text | None = None


class ErrorInfo(BaseModel):
    """An error as it travels: type, message and traceback as text."""

    model_config = ConfigDict(frozen=True)
    type: Text
    message: Text
    traceback: Text = ""


@no_fork_meanwhile()
def error_text(type: str, message: str, traceback: str = "") -> str:
    """An error as it travels, as JSON."""
    return ErrorInfo(type=type, message=message, traceback=traceback).model_dump_json()


class WorkStatus(BaseModel):
    """What the ledger knows about one work."""

    model_config = ConfigDict(frozen=True)
    id: str
    key: str | None
    name: str
    lane: str
    state: State
    reason: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline: datetime
    attempt: int
    worker: str | None
    callers: int
    progress: Progress | None
    error: ErrorInfo | None


#: The fields of a record that a status is made of, in the order in which they are read.
STATUS_FIELDS = (
    "name", "key", "state", "reason", "submitted_at", "started_at", "finished_at", "deadline", "attempt", "worker",
    "callers", "progress", "error", "stopping",
)  # fmt: skip


@no_fork_meanwhile()
def read_status(id: str, values: list[str | None], interests: int) -> WorkStatus | None:
    """The status from the record's `STATUS_FIELDS`; None if there is no record."""
    record = dict(zip(STATUS_FIELDS, values, strict=True))
    if record["state"] is None:
        return None
    return WorkStatus(
        id=id,
        key=record["key"],
        name=record["name"] or "",
        lane=lane_of(id) or "",
        state=State(record["state"]),
        reason=record["reason"] or record["stopping"] or None,
        submitted_at=_time(record["submitted_at"]) or datetime.fromtimestamp(0, UTC),
        started_at=_time(record["started_at"]),
        finished_at=_time(record["finished_at"]),
        deadline=_time(record["deadline"]) or datetime.fromtimestamp(0, UTC),
        attempt=int(record["attempt"] or 0),
        worker=record["worker"],
        callers=int(record["callers"]) if record["callers"] else interests,
        progress=Progress.model_validate(json.loads(record["progress"])) if record["progress"] else None,
        error=ErrorInfo.model_validate(json.loads(unsealed(record["error"]))) if record["error"] else None,
    )


#: The fields that an outcome is looked up by, in the order in which they are read.
OUTCOME_FIELDS = ("state", "stopping", "reason", "result", "error")


def read_letter(text: str, seal: Seal) -> Outcome:
    """An outcome as it lies in a caller's mailbox. Raises `TamperedError`."""
    letter = json.loads(text)
    return _outcome(seal, letter["id"], letter["state"], letter["reason"], letter.get("result"), letter.get("error"))


def read_looked_up(id: str, values: Sequence[str | None], seal: Seal) -> Outcome | None:
    """The outcome from the record's `OUTCOME_FIELDS`; None while there is none, or no record.

    One that was tampered with is a failure: nothing better is to be had.
    """
    state, stopping, reason, result, error = values
    if state is not None and stopping:
        return Outcome(id, Reason(stopping).state, stopping)
    if state is None or not State(state).ended:
        return None
    try:
        return _outcome(seal, id, state, reason, result, error)
    except TamperedError as tampered:
        return Outcome(id, State.FAILED, error={"type": "TamperedOutcome", "message": str(tampered), "traceback": ""})


def _outcome(
    seal: Seal, id: str, state: str, reason: str | None, result: str | None = None, error: str | None = None
) -> Outcome:
    """What only a run can say must be signed by a worker; that there was none any more, Redis says by itself."""
    if state == State.COMPLETED:
        return Outcome(id, State(state), reason or "", seal.open(result or "", id, state) or None)
    if state != State.FAILED:
        return Outcome(id, State(state), reason or "")
    if reason == Reason.WORKER_LOST and seal.is_on:
        return Outcome(id, State(state), reason, error=_LOST)
    text = seal.open(error or "", id, state)
    return Outcome(id, State(state), reason or "", error=_read_error(text) if text else None)


@no_fork_meanwhile()
def _read_error(text: str) -> dict[str, str]:
    return ErrorInfo.model_validate(json.loads(text)).model_dump()


#: Who is lost can't sign: the text is made here.
_LOST = {"type": "WorkLost", "message": "lost with its workers as often as max_deliveries allows", "traceback": ""}


def _time(milliseconds: str | None) -> datetime | None:
    """A record's time; one that can't be shown as the last that can, so that a list goes on past it."""
    return datetime.fromtimestamp(min(float(milliseconds), _LATEST) / 1000, UTC) if milliseconds else None
