"""What the routes ask of the ledger, on a few threads of their own: the event loop never waits for Redis."""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final, TypeVar

from ..interest.errors import LedgerUnavailable, UnknownWork, WorkTimeout
from ..interest.records import WorkStatus, lane_of
from ..interest.states import Reason, State
from ..tasks import registry
from ..tasks.published import Callee, publish
from ..waiters.client import Client, default_client
from ..waiters.options import check_options
from ..waiters.submitting import callee_of
from ..waiters.waiter import WorkWaiter
from .listing import AT_ONCE, Selection, page
from .owners import is_of, key_of
from .problems import no_such_type, no_such_work
from .reading import Wishes
from .showing import View

_THREADS: Final = 4  # they share one connection: more would only wait for each other
_KNOWN_FOR: Final = 10.0  # seconds that a work type is taken to be as it was
_TURNS: Final = 3  # connect timeouts until a request is told that the ledger is away
_LAST_WORDS: Final = 0.02  # seconds: a submission gives up at its deadline by itself, and says why

Answer = TypeVar("Answer")


class Desk:
    """Submits, looks and cancels for HTTP clients. `expose` are names and patterns; None means the setting.

    What asks the ledger raises `LedgerUnavailable`.
    """

    def __init__(self, expose: Collection[str] | None) -> None:
        self._expose = expose
        self._threads = ThreadPoolExecutor(_THREADS, "askfirst-gateway")
        self._known: dict[str, tuple[float, Callee, int]] = {}

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    # From the event loop

    async def callee(self, name: str, within: float = math.inf) -> tuple[Callee, int]:
        """A work type, and how many bytes its payload may have. Raises `Problem` if it can't be asked for here."""
        known = self._known.get(name)
        if known is None or time.monotonic() > known[0]:
            callee, limit = await self.run(lambda: self._find(name), within=within)
            known = self._known[name] = (time.monotonic() + _KNOWN_FOR, callee, limit)
        return known[1], known[2]

    async def run(
        self, call: Callable[[], Answer], undo: Callable[[Answer], object] | None = None, within: float = math.inf
    ) -> Answer:
        """The answer of a call that waits for the ledger; what nobody waits for any more is undone.

        Raises `LedgerUnavailable` if it takes too long, and `WorkTimeout` if it takes more than `within` seconds.
        """
        patience = _TURNS * self._patience()
        limit = asyncio.timeout(min(patience, within + _LAST_WORDS))
        answer = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            async with limit:
                return await asyncio.shield(answer)
        except BaseException as error:
            # Also one that came in the very moment in which nobody waits for it any more.
            answer.add_done_callback(lambda late: _undo(late, undo))
            if isinstance(error, TimeoutError) and limit.expired():
                if within < patience:
                    raise WorkTimeout("the work was not handed over by its deadline") from None
                raise LedgerUnavailable("the ledger does not answer") from None
            raise

    def let_go(self, waiter: WorkWaiter) -> None:
        """Stops following a work, which goes on."""
        default_client().let_go(waiter)

    # On the threads

    def submit(self, callee: Callee, body: bytes, payload: dict[str, Any], wishes: Wishes, owner: str) -> WorkWaiter:
        """Hands over one work; attached to this process if its client waits."""
        digest = _digest(payload)
        definition = registry.find(callee.name)
        if definition is not None:
            # From the JSON itself: what JSON can't carry as it is, such as bytes, reads otherwise from Python values.
            payload = definition.carrier.decode(body.decode() or "{}")
        options = check_options(
            callee, wishes.timeout, key_of(owner, wishes.key), None, wishes.wait <= 0, 0.0, wishes.importance
        )
        return default_client().submit(callee, [payload], replace(options, on_duplicate="once", digest=digest))[0]

    def accept(
        self, callee: Callee, body: bytes, payload: dict[str, Any], wishes: Wishes, owner: str
    ) -> tuple[WorkWaiter, View]:
        """Hands over one work that nobody here waits for, and looks how it stands: one way to the threads for both."""
        waiter = self.submit(callee, body, payload, wishes, owner)
        self.let_go(waiter)
        try:
            return waiter, self.look(waiter.id, owner)
        except BaseException:
            waiter.cancel_aside()  # its client is told of an error, and never of its id
            raise

    def part(self, waiters: Sequence[WorkWaiter]) -> dict[str, WorkStatus]:
        """Lets works go on for which nobody here waits any more, and looks how they stand."""
        default_client().detach(waiters)
        for waiter in waiters:
            self.let_go(waiter)
        return self.statuses([waiter.id for waiter in waiters])

    def look(self, id: str, owner: str) -> View:
        """How a work of this owner stands. Raises `Problem`."""
        if lane_of(id) is None:
            raise no_such_work(id)
        ledger = default_client().ledger
        status = ledger.statuses([id])[0]
        if status is None or not is_of(owner, status.key):
            raise no_such_work(id)
        if status.state is not State.COMPLETED:
            return View(status)
        outcome = ledger.outcome(id)
        if outcome is None:
            raise no_such_work(id)  # forgotten meanwhile
        if outcome.state is not State.COMPLETED:
            status = status.model_copy(update={"state": outcome.state, "reason": outcome.reason, "error": None})
        return View(status, outcome.result)

    def cancel(self, id: str, owner: str) -> View:
        """Ends a work of this owner for all who wait for it. Raises `Problem`."""
        if not self.look(id, owner).status.state.ended:
            default_client().ledger.cancel(id, Reason.WITHDRAWN)
        return self.look(id, owner)

    def statuses(self, ids: Sequence[str]) -> dict[str, WorkStatus]:
        """What the ledger knows about each of them that it knows."""
        found: dict[str, WorkStatus] = {}
        for start in range(0, len(ids), AT_ONCE):
            statuses = default_client().ledger.statuses(ids[start : start + AT_ONCE])
            found |= {status.id: status for status in statuses if status is not None}
        return found

    def page(self, owner: str, wanted: Selection) -> dict[str, Any]:
        """An owner's works."""
        return page(default_client().ledger, owner, wanted)

    def ping(self) -> None:
        """Raises `LedgerUnavailable`."""
        default_client().ledger.line.command("PING")

    def exposes(self, client: Client, name: str) -> bool:
        """Whether HTTP clients may ask for this work type."""
        patterns = client.settings.gateway_expose if self._expose is None else self._expose
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    def types(self) -> list[dict[str, Any]]:
        """The exposed work types: those that this process has imported, and those that workers published."""
        client = default_client()
        texts = {definition.name: publish(definition) for definition in registry.all_types()}
        for name in client.ledger.published_names():
            if name not in texts and self.exposes(client, name):
                with contextlib.suppress(UnknownWork):  # tampered with, or not signed: it can't be asked for
                    texts[name] = client.ledger.published_type(name) or ""
        known = {name: json.loads(text) for name, text in sorted(texts.items()) if text and self.exposes(client, name)}
        shown = ("timeout", "max_payload", "payload", "result")
        return [{"name": name, **{part: about[part] for part in shown}} for name, about in known.items()]

    def _find(self, name: str) -> tuple[Callee, int]:
        client = default_client()
        if not self.exposes(client, name):
            raise no_such_type(name)
        try:
            callee = callee_of(client, name)
        except UnknownWork:
            raise no_such_type(name) from None
        return callee, callee.max_payload or client.settings.max_payload

    def _patience(self) -> float:
        return default_client().settings.connect_timeout


def _digest(payload: dict[str, Any]) -> str:
    """Of what was sent, in whatever order its fields came: the defaults of its types may be others every time."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()[:32]


def _undo(answer: asyncio.Future[Answer], undo: Callable[[Answer], object] | None) -> None:
    if not answer.cancelled() and answer.exception() is None and undo is not None:
        undo(answer.result())
