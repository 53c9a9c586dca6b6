"""The asking request: between a free slot and the start of a work it puts the question to the ledger.

Celery calls `revoked()` when a slot is free, before the pool sees the work (in prefork pools; thread pools have no
free slot to wait for, hence no prefetching there). `_already_revoked`, `_request_dict` and the other underscored
attributes are Celery's own and private: it is pinned below its next minor version, and tests hold it to this.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from functools import partial
from typing import Any, Final

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.utils.log import get_logger
from celery.worker.request import Request
from celery.worker.state import task_ready

from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ending
from ..interest.records import Answer, Submission, Swept, error_text, lane_of
from ..interest.states import State, Verdict
from ..tasks.message import letter
from .dropped import Dropped
from .runtime import Claim, Runtime, runtime_of

_log = get_logger(__name__)
_SWEEP: Final = 1.0  # seconds; the worker has its heartbeat to send, too
_TOLD: Final = {"uuid": "id", "name": "task", "args": "argsrepr", "kwargs": "kwargsrepr"}  # by the headers they are in
_PAUSE: Final = 0.25  # seconds between two questions to a ledger that is away


class AskingRequest(Request):  # type: ignore[misc]  # celery is untyped
    """A request that starts nothing nobody wants."""

    _claim: Claim | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._runtime.prefetch.note_arrival(self.id)

    def revoked(self) -> bool:
        """Asks. True: dropped, held, or given back to the broker; the message is done with."""
        self._runtime.prefetch.note_question(self.id)
        if self._already_revoked:
            return True
        ours = self._request_dict.get("askfirst")
        if not isinstance(ours, dict) or lane_of(self.id) is None:
            return bool(super().revoked())  # an ordinary Celery call of this task
        if self._runtime.shutting_down:
            self._requeue("the worker shuts down")
            return True
        asked_at = time.monotonic()
        try:
            answer = self._ask(ours)
        except LedgerUnavailable as error:
            # Without the ledger nothing may start: it could run twice.
            _log.error("%s[%s]: %s", self.name, self.id, error)
            time.sleep(_PAUSE)  # the broker would hand it out again at once, and without the ledger nothing can be done
            self._requeue("the ledger is away")
            return True
        if answer.verdict is Verdict.RUN:
            self._start(answer, asked_at)
            return False
        self._drop_or_hold(answer)
        return True

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """A pool process has it."""
        if self._claim is not None:
            self._claim.pid = pid
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """The run failed, was dropped on the way, or died with its process."""
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, Dropped):
            task_ready(self)
            self._announce_dropped(error.reason)
            self.acknowledge()
            return
        if self._claim is not None and isinstance(error, TimeLimitExceeded):
            # Told before the process is ended, so that nobody takes its end for a loss.
            self._fail_for_time_limit(self._claim, error)
        elif self._claim is not None and isinstance(error, WorkerLostError | Terminated | SystemExit):
            self._report_loss(self._claim)
        super().on_failure(exc_info, send_failed_event=send_failed_event, return_ok=return_ok)

    def acknowledge(self) -> None:
        """The message is done with, and so is the claim."""
        self._drop_claim()
        super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """The message goes back or away, and with it the claim."""
        self._drop_claim()
        super().reject(requeue)

    @property
    def _runtime(self) -> Runtime:
        return runtime_of(self._app)

    def _ask(self, ours: dict[str, Any]) -> Answer:
        ledger = self._runtime.ledger
        deadline = int(self._request_dict.get("askfirst_deadline") or 0)
        ask = partial(
            ledger.ask, self.id, worker=self._runtime.worker, nonce=secrets.token_hex(8), message_deadline=deadline
        )
        answer = ask()
        if answer is None:
            ledger.adopt(self._as_submission(ours), deadline)
            answer = ask()
        if answer is None:
            raise LedgerUnavailable(f"{self.id}: its record was lost again at once")
        return answer

    def _as_submission(self, ours: dict[str, Any]) -> Submission:
        """The submission as the message tells it, for a ledger that lost its record."""
        headers = {
            name: value
            for name, value in self._request_dict.items()
            if name in self._message.headers and name != "askfirst_deadline"
        }
        body = self._body if isinstance(self._body, str) else bytes(self._body).decode()
        return Submission(
            id=self.id,
            lane=lane_of(self.id) or "",
            name=self._type,
            interest=str(ours.get("interest", "")),
            timeout=0.0,
            letter=letter(headers, body),
            retention=float(ours.get("retention", self._runtime.settings.retention)),
            key=str(ours.get("key", "")),
            partition=str(ours.get("partition", "")),
            importance=str(ours.get("importance", "normal")),
        )

    def _start(self, answer: Answer, asked_at: float) -> None:
        grace = self._task.work_type.grace
        self._claim = Claim(
            id=self.id,
            fence=answer.fence,
            # From before the question: the way of the reply must not make the deadline later than it is.
            deadline_at=asked_at + answer.remaining,
            grace=self._runtime.settings.grace if grace is None else grace,
            kill=self._kill,
        )
        self._runtime.add_claim(self._claim)
        # Reaches the pool process as an attribute of the task's request.
        self._request_dict["askfirst_claim"] = {
            "fence": answer.fence,
            "deadline_at": self._claim.deadline_at,
            "failures": answer.failures,
        }

    def _kill(self) -> None:
        """As Celery's own terminate does: Flower shows the task as revoked, and the slot comes back."""
        self.terminate(self._runtime.pool, signal="KILL")

    def _drop_or_hold(self, answer: Answer) -> None:
        task_ready(self)
        self._already_revoked = True
        if answer.verdict is Verdict.DROP:
            self._announce_dropped(answer.reason)
            self._sweep()
        _log.info("%s %s[%s]: %s", answer.verdict, self.name, self.id, answer.reason)
        self.acknowledge()

    def _requeue(self, why: str) -> None:
        """Nobody was asked: the message goes back to the broker."""
        task_ready(self)
        self._already_revoked = True
        _log.info("%s[%s] goes back to its queue: %s", self.name, self.id, why)
        self.reject(requeue=True)

    def _announce_dropped(self, reason: str) -> None:
        # Flower shows only fields it knows; a custom event makes the state DROPPED.
        self.send_event("task-dropped", result=reason, exception=reason)

    def _fail_for_time_limit(self, claim: Claim, error: TimeLimitExceeded) -> None:
        ours = self._request_dict["askfirst"]
        ending = Ending(
            id=claim.id,
            fence=claim.fence,
            state=State.FAILED,
            name=self._type,
            interest=str(ours.get("interest", "")),
            retention=float(ours.get("retention", 0.0)),
            failure=error_text("TimeLimitExceeded", f"Celery's time limit of {error.args[0]:g} s was exceeded"),
        )
        try:
            self._runtime.ledger.finish(ending)
        except LedgerUnavailable as away:
            _log.error("%s[%s]: its lease must lapse first: %s", self.name, self.id, away)

    def _sweep(self) -> None:
        """Where work is dropped, more dead work is likely to follow: it goes in bulk, before the next work."""
        told = bool(self._eventer and self._eventer.enabled)
        give_up_at = time.monotonic() + _SWEEP
        reasons: Counter[str] = Counter()
        lane = lane_of(self.id) or ""

        def look_at(swept: Swept) -> bool:
            reasons.update(swept.reasons)
            self._announce_swept(swept)
            return time.monotonic() < give_up_at

        try:
            self._runtime.ledger.sweep(lane, look_at, told=told)
        except LedgerUnavailable as error:
            _log.error("%s", error)
        for reason, count in reasons.items():
            _log.info("DROP %d more of lane %s: %s", count, lane, reason)

    def _announce_swept(self, swept: Swept) -> None:
        for text, reason in swept.messages:
            try:
                headers = json.loads(text)
                told = {name: headers[header] for name, header in _TOLD.items()}
            except (ValueError, LookupError, TypeError, RecursionError):
                continue  # swept by its work's id, which is all that was read of it: the rest can be anything
            self._eventer.send("task-dropped", **told, result=reason, exception=reason)

    def _report_loss(self, claim: Claim) -> None:
        try:
            self._runtime.ledger.release(claim.id, claim.fence, lost=True)
        except LedgerUnavailable as error:
            _log.error("%s[%s]: its lease must lapse first: %s", self.name, self.id, error)

    def _drop_claim(self) -> None:
        if self._claim is not None:
            self._runtime.drop_claim(self._claim)
            self._claim = None
