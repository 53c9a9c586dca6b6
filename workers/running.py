"""One run: decode, call, normalise, finish, tell Celery."""

from __future__ import annotations

import contextvars
import json
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeGuard, TypeVar

from billiard.common import terminate_handler_fired
from billiard.exceptions import SoftTimeLimitExceeded, Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import CeleryError

from ..interest.errors import InvalidPayload, LedgerUnavailable, WorkTimeout
from ..interest.ledger import Ending
from ..interest.records import Outcome, Retried, attempt_of, error_text
from ..interest.states import Reason, State
from ..tasks import InterestLost, WorkContext, WorkType
from ..tasks.context import set_current_context
from ..tasks.payload import check_size
from .dropped import Dropped
from .reporting import Reporter
from .resources import ProcessResources, open_all, open_all_async
from .runtime import Runtime
from .stopping import interruptible, run_async

Reply = TypeVar("Reply")

_log = logging.getLogger(__name__)
_FINISH_PATIENCE: Final = 300.0  # seconds a result outlives an outage of the ledger, in the slot that made it
_LONGEST_MESSAGE: Final = 10_000  # characters; what callers get of an error's text
_LONGEST_TRACEBACK: Final = 50_000
_FINISH_PAUSE: Final = 0.5  # seconds between two tries
_WORDS_OF_THE_POOL: Final = (TimeLimitExceeded, Terminated, WorkerLostError)  # on processes that ended


@dataclass(frozen=True, slots=True)
class Run:
    """One claimed start of a work."""

    id: str
    key: str | None
    interest: str
    retention: float
    fence: str
    deadline_at: float
    failures: int
    nominal_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """What a run made: a value with its JSON, or an error; and why it was given up, if it was."""

    value: Any = None
    text: str = ""
    error: BaseException | None = None
    lost: str = ""


def run_work(runtime: Runtime, work_type: WorkType, run: Run, payload: dict[str, Any]) -> Any:
    """Runs it and tells the ledger, then Celery: by the value, by the error, or by `Dropped`."""
    reporter = Reporter(runtime.ledger, run.id, run.fence)
    context = WorkContext(
        id=run.id,
        key=run.key,
        attempt=attempt_of(run.fence),
        nominal_time=run.nominal_time,
        timeout=run.deadline_at - time.monotonic(),
        report=reporter.report,
    )
    runtime.running.enter(run.fence, context)
    try:
        product = _run_and_normalise(runtime, work_type, context, payload)
        context.end()
        reporter.flush()
        outcome = _finish(runtime, work_type, run, product)
    finally:
        runtime.running.leave(run.fence)
        reporter.close()
    if product.error is not None and terminate_handler_fired():
        # With the exit code that the handler has noted. Were it to stay, it would put back whatever fails in it later.
        raise SystemExit from product.error
    return _tell_celery(product, outcome, context)


def run_plainly(runtime: Runtime, work_type: WorkType, id: str, arguments: dict[str, Any]) -> Any:
    """A call by Celery's own means: nobody waits in the ledger, so there is nothing to ask or to finish.

    Returns the result as plain JSON values, as any result backend can carry it.
    """
    context = WorkContext(id=id, timeout=work_type.timeout)
    decoded = work_type.carrier.decode(json.dumps(arguments))
    try:
        # In a context of its own: what other tasks of this process submit is not of this call.
        value = contextvars.copy_context().run(_call, work_type, context, decoded, runtime.resources)
    except InterestLost as lost:
        # An error like any other to Celery: as it is, it takes the pool process along, and no caller is told.
        raise WorkTimeout(f"{work_type.name}: {lost.reason}") from None
    finally:
        context.end()
    return json.loads(_encode_result(runtime, work_type, value))


def _run_and_normalise(runtime: Runtime, work_type: WorkType, context: WorkContext, payload: dict[str, Any]) -> Product:
    try:
        context.check()
        arguments = work_type.carrier.decode(json.dumps(payload))
        value = contextvars.copy_context().run(_call, work_type, context, arguments, runtime.resources)
        text = _encode_result(runtime, work_type, value)
    except BaseException as error:
        # Whatever it is, it is this work's: the slot and the ledger must learn that the run is over. Told to stop, a
        # work may leave by any error, of a socket's timeout for example. So it may when its process is told to end:
        # that is the worker's affair, and no failure. But while its own token has not tripped, an `InterestLost` is
        # somebody else's, and an error like any other.
        ends = Reason.SHUTDOWN if terminate_handler_fired() else ""
        return Product(error=error, lost=context.token.reason or ends)
    return Product(value=value, text=text)


def _call(work_type: WorkType, context: WorkContext, arguments: dict[str, Any], resources: ProcessResources) -> Any:
    set_current_context(context)
    leading = (context,) if work_type.carrier.wants_context else ()
    declared = work_type.carrier.resources
    if work_type.is_async:
        return run_async(context, lambda: _run_async(work_type, leading, arguments, resources))
    with ExitStack() as stack:
        arguments |= open_all(stack, declared, resources)
        with interruptible(context) if work_type.interrupt else nullcontext():
            return work_type.function(*leading, **arguments)


async def _run_async(
    work_type: WorkType, leading: tuple[WorkContext, ...], arguments: dict[str, Any], resources: ProcessResources
) -> Any:
    async with AsyncExitStack() as stack:
        arguments |= await open_all_async(stack, work_type.carrier.resources, resources)
        return await work_type.function(*leading, **arguments)


def _encode_result(runtime: Runtime, work_type: WorkType, value: Any) -> str:
    try:
        text = work_type.carrier.result.encode({"value": value})[len('{"value":') : -1]
        check_size(f"the result of {work_type.name}", text, work_type.max_payload or runtime.settings.max_payload)
    except InvalidPayload as error:
        raise InvalidResult(str(error)) from None
    return text


class InvalidResult(Exception):
    """A function returned what its annotation does not allow, or what JSON can't carry."""


def _finish(runtime: Runtime, work_type: WorkType, run: Run, product: Product) -> Outcome | None:
    """Writes the end of the run, or puts it back for another try; None if another claim owns the work."""
    if product.lost == Reason.LEASE_LOST:
        return None  # it is another worker's now: whatever this run made of it, nothing is to be written
    if product.lost == Reason.SHUTDOWN:
        return _put_back(runtime, run)
    failure = ""
    if product.error is not None and not product.lost:
        failure = describe_error(product.error)
        retried = _retry(runtime, work_type, run, product.error, failure)
        if retried is not None:
            return retried
    state, reason = State.COMPLETED, ""
    if product.lost:
        state = Reason(product.lost).state
        reason = product.lost
    elif product.error is not None:
        state = State.FAILED
    ending = Ending(
        run.id, run.fence, state, work_type.name, run.interest, run.retention, reason, product.text, failure
    )
    return _insist(lambda: runtime.ledger.finish(ending), run)


def _put_back(runtime: Runtime, run: Run) -> Outcome:
    """Puts the work back in order: the run was stopped for the worker's sake, not its callers'."""
    _insist(lambda: runtime.ledger.release(run.id, run.fence, lost=False), run)
    return Outcome(run.id, State.PENDING, Reason.SHUTDOWN)


def _retry(runtime: Runtime, work_type: WorkType, run: Run, error: BaseException, failure: str) -> Outcome | None:
    """An outcome in state PENDING if it will be tried again, else None: then this was the last try."""
    delay = work_type.retry.delay(error, run.failures) if isinstance(error, Exception) else None
    if delay is None:
        return None
    said = _insist(lambda: runtime.ledger.retry(run.id, run.fence, delay, failure), run)
    return Outcome(run.id, State.PENDING) if said is Retried.RETRYING else None


def _insist(write: Callable[[], Reply], run: Run) -> Reply | None:
    """Writes to the ledger, through an outage if need be."""
    give_up_at = time.monotonic() + _FINISH_PATIENCE
    pause = 0.0
    while True:
        try:
            time.sleep(pause)
            return write()
        except SoftTimeLimitExceeded:
            # Raised here by a signal, once. Whatever is written may be written twice.
            _log.warning("%s: Celery's soft time limit is for the run, and that is over", run.id)
        except LedgerUnavailable as error:
            if time.monotonic() > give_up_at:
                _log.critical("%s: the end of the run could not be written: %s", run.id, error)
                return None
            _log.error("%s: the end of the run waits: %s", run.id, error)
            pause = _FINISH_PAUSE


def _tell_celery(product: Product, outcome: Outcome | None, context: WorkContext) -> Any:
    if outcome is None:
        context.log.warning("%s: attempt %d came too late, its result is refused", context.id, context.attempt)
        raise Dropped(Reason.LEASE_LOST)
    if outcome.state is State.COMPLETED:
        return product.value
    if outcome.state in (State.CANCELLED, State.EXPIRED):
        raise Dropped(outcome.reason)
    if outcome.state is State.PENDING:
        tried = product.error is not None and not product.lost
        raise Dropped(f"failed and will be tried again: {product.error!r}" if tried else outcome.reason)
    error = product.error
    raise error if _is_plain(error) else RuntimeError(repr(error))


def _is_plain(error: BaseException | None) -> TypeGuard[Exception]:
    """Whether Celery takes it for a failure only: some errors take the pool process along, others are orders to it."""
    return isinstance(error, Exception) and not isinstance(error, (MemoryError, CeleryError, *_WORDS_OF_THE_POOL))


def describe_error(error: BaseException) -> str:
    """The error as it travels to the caller, as JSON."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)
    except Exception as second:
        message = f"<its text cannot be had: {second!r:.200}>"
    text = "".join(traceback.format_exception(error))
    return error_text(name, message[:_LONGEST_MESSAGE], text[-_LONGEST_TRACEBACK:])
