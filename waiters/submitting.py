"""`submit_work` and its kin: hand over work with a deadline, get a waiter."""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import functools
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..config.units import LONGEST, seconds
from ..interest.errors import InvalidPayload, UnknownWork, WorkTimeout
from ..interest.records import WorkStatus
from ..tasks import registry
from ..tasks.definition import work_type_of
from ..tasks.published import Callee, ImportedType, PublishedType
from .client import Client, default_client
from .inspection import resolve
from .options import Duration, check_duration, check_options
from .waiter import WorkWaiter

Work = str | Callable[..., Any]

_LAST_WORDS = 0.02  # seconds: a submission gives up at its deadline by itself, and says why
_PUBLISHED_FOR = 10.0  # seconds that a published work type is taken to be as it was

#: Set when the coroutine for which this thread submits has been left.
_left: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("_left", default=None)


def submit_work(
    work: Work,
    /,
    *,
    timeout: Duration | None = None,
    key: str | None = None,
    on_duplicate: str | None = None,
    detached: bool = False,
    delay: Duration = 0.0,
    importance: str = "normal",
    wait_for_room: bool = False,
    **payload: Any,
) -> WorkWaiter:
    """Hands over one work and returns the waiter for its result.

    `work` is a function declared with `@work` or the name of one; `payload` its arguments by name. `timeout` is the
    deadline in seconds from now (or "30s", "5m", timedelta), by default the work type's; `delay` the earliest start.
    `key` names the work: a second submission of the key joins, is rejected, or replaces (`on_duplicate`, by default the
    work type's). A `detached` work lives without this process. Critical works go before normal ones and these before
    sheddable ones (`importance`). What could not be done by its deadline, or finds its lane full, is rejected at once;
    with `wait_for_room` it waits for room until the deadline. Raises `WorkRejected`, `InvalidPayload`, `UnknownWork`,
    `DuplicateWork`, `LedgerUnavailable`, `SettingsError`.
    """
    client = default_client()
    callee = callee_of(client, work, _given(timeout) or math.inf)
    options = check_options(callee, timeout, key, on_duplicate, detached, delay, importance, wait_for_room)
    if wait_for_room:
        return client.submit_patiently(callee, payload, options, _left.get())
    return client.submit(callee, [payload], options)[0]


async def asubmit_work(work: Work, /, **options_and_payload: Any) -> WorkWaiter:
    """`submit_work` for asyncio: the event loop runs on while the ledger is written.

    Cancelled meanwhile, it asks for room no more and withdraws what it may have submitted. Raises `WorkTimeout`, too:
    the deadline can pass while all threads of the event loop's executor are busy.
    """
    left = threading.Event()

    def submit() -> WorkWaiter | None:
        _left.set(left)
        return None if left.is_set() else submit_work(work, **options_and_payload)

    submission = asyncio.get_running_loop().run_in_executor(None, contextvars.copy_context().run, submit)
    try:
        await asyncio.wait([submission], timeout=_patience(work, options_and_payload.get("timeout")))
        if not submission.done():
            raise WorkTimeout("the work was not handed over by its deadline")
    except (asyncio.CancelledError, WorkTimeout):
        left.set()
        submission.add_done_callback(_withdraw_submitted)
        raise
    waiter = submission.result()
    assert waiter is not None  # nobody has left
    return waiter


def _patience(work: Work, timeout: Duration | None) -> float | None:
    """Seconds that are given to the submission, as far as that is known without the ledger and makes sense."""
    definition = registry.find(work) if isinstance(work, str) else getattr(work, "__askfirst_work__", None)
    default = definition.timeout if definition is not None else None
    patience = default if timeout is None else _given(timeout)
    return patience + _LAST_WORDS if patience is not None else None


def _given(timeout: Duration | None) -> float | None:
    """The timeout in seconds, unless there is none, or one that makes no sense and is named later."""
    try:
        given = seconds(timeout) if timeout is not None else 0.0
    except ValueError:
        return None
    return given if given > 0 else None


def _withdraw_submitted(submission: asyncio.Future[WorkWaiter | None]) -> None:
    if submission.cancelled() or submission.exception() is not None:
        return
    waiter = submission.result()
    if waiter is not None:
        waiter.cancel()


def submit_many(
    work: Work,
    /,
    payloads: Iterable[Mapping[str, Any]],
    *,
    timeout: Duration | None = None,
    detached: bool = False,
    delay: Duration = 0.0,
    importance: str = "normal",
) -> list[WorkWaiter]:
    """Hands over many works of one type in a few round trips; one waiter for each payload, in order.

    Every payload is checked before anything is written. A waiter whose work is rejected fails with `WorkRejected`; all
    else is raised as by `submit_work`.
    """
    client = default_client()
    callee = callee_of(client, work, _given(timeout) or math.inf)
    options = check_options(callee, timeout, None, None, detached, delay, importance)
    return client.submit(callee, list(payloads), options, many=True)


def attach(id_or_key: str, *, timeout: Duration | None = None) -> WorkWaiter:
    """A waiter of this process's own for a work submitted anywhere.

    Its deadline is the work's, unless `timeout` says otherwise (seconds from now, which may prolong it). Raises
    `UnknownWork` and `LedgerUnavailable`.
    """
    client = default_client()
    found = resolve(client.ledger, id_or_key)
    if found is None:
        raise UnknownWork(f"no work of the id or key {id_or_key!r} is known")
    callee = _callee_of_status(client, found)
    wish = None if timeout is None else check_duration(callee, "timeout", timeout)
    if wish is not None and not 0 < wish <= LONGEST:
        raise InvalidPayload(f"expected timeout to be more than 0 seconds and ten years at most, got {timeout!r}")
    return client.attach(found.id, callee, found.lane, found.key, wish)


def callee_of(client: Client, work: Work, within: float = math.inf) -> Callee:
    """What there is to know about a work type, from its function or from what workers published.

    Asking the ledger for that takes `within` seconds at most. Raises `UnknownWork` and `LedgerUnavailable`.
    """
    if not isinstance(work, str):
        return _imported(work)
    definition = registry.find(work)
    if definition is not None:
        return _imported(definition.function)
    published = _published(client, work, within)
    if published is None:
        known = sorted({*client.ledger.published_names(), *(definition.name for definition in registry.all_types())})
        close = difflib.get_close_matches(work, known, 1)
        hint = f"did you mean {close[0]!r}?" if close else "no worker has published it: import it, or start its worker"
        raise UnknownWork(f"no work type is called {work!r}: {hint}")
    return published


@functools.lru_cache(maxsize=4096)
def _imported(function: Callable[..., Any]) -> ImportedType:
    return ImportedType(work_type_of(function))


#: Without a lock, which a fork could copy while it is held: each use is one step of a dict.
_cache: dict[tuple[str, str, str], tuple[float, PublishedType]] = {}


def _published(client: Client, name: str, within: float) -> PublishedType | None:
    where = (client.ledger.line.url, client.ledger.namespace, name)
    until, cached = _cache.get(where, (0.0, None))
    if cached is not None and time.monotonic() < until:
        return cached
    description = client.ledger.published_type(name, within)
    if description is None:
        return None
    published = PublishedType(name, description)
    _cache[where] = (time.monotonic() + _PUBLISHED_FOR, published)
    return published


def _callee_of_status(client: Client, status: WorkStatus) -> Callee:
    try:
        return callee_of(client, status.name)
    except UnknownWork:
        # Its workers never published it, or are of another namespace: the result can still be had as plain JSON.
        return PublishedType.unknown(status.name, status.lane)
