"""A work's changes as server-sent events. Each carries the whole state, so that one that was missed is no loss."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from ..interest.errors import LedgerUnavailable
from ..interest.records import WorkStatus
from ..interest.states import State
from .desk import Desk
from .problems import Problem
from .showing import View

_LOOK: Final = 0.25  # seconds between two looks at all works that are watched
_ALIVE: Final = 15.0  # seconds of silence until a comment says that the connection lives


@dataclass(eq=False)
class _Watcher:
    id: str
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    status: WorkStatus | None = None


class Watch:
    """Looks at the works of all event streams together: however many there are, it is one question."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._watchers: set[_Watcher] = set()
        self._looking: asyncio.Task[None] | None = None
        self._closing = False

    def close(self) -> None:
        """Ends all streams; their clients come again with the last event's id."""
        self._closing = True
        for watcher in self._watchers:
            watcher.changed.set()

    async def stream(self, view: View, owner: str, last: str) -> AsyncIterator[str]:
        """The events of a work from this view of it on, but for the one that is known already."""
        watcher = _Watcher(view.status.id, status=view.status)
        self._watchers.add(watcher)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        try:
            yield "retry: 1000\n\n"
            while not self._closing:
                event = Event.of(view)
                if event.id != last:
                    yield event.text
                    last = event.id
                if view.status.state.ended:
                    return
                while not await self._changed(watcher):
                    yield ": still here\n\n"
                try:
                    view = await self._desk.run(lambda: self._desk.look(watcher.id, owner))
                except LedgerUnavailable:
                    watcher.status = None  # whatever the next look at all of them finds is a change
        except Problem:
            return  # forgotten meanwhile: who comes again is told so
        finally:
            self._watchers.discard(watcher)

    async def _changed(self, watcher: _Watcher) -> bool:
        try:
            await asyncio.wait_for(watcher.changed.wait(), _ALIVE)
        except TimeoutError:
            return False
        watcher.changed.clear()
        return True

    async def _look(self) -> None:
        try:
            while self._watchers and not self._closing:
                await asyncio.sleep(_LOOK)
                with contextlib.suppress(LedgerUnavailable):
                    await self._look_once()
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        watchers = list(self._watchers)  # others may come meanwhile
        ids = list({watcher.id for watcher in watchers})
        found = await self._desk.run(lambda: self._desk.statuses(ids))
        for watcher in watchers:
            status = found.get(watcher.id)  # None of one that is forgotten: its stream has to end
            if status is None or status != watcher.status:
                watcher.status = status
                watcher.changed.set()


@dataclass(frozen=True, slots=True)
class Event:
    """One state of a work. Its id is made of what it says: any gateway knows whether a client has seen it."""

    id: str
    text: str

    @classmethod
    def of(cls, view: View) -> Event:
        """The event that tells this view."""
        data = json.dumps(view.body(), separators=(",", ":"))
        id = hashlib.sha256(data.encode()).hexdigest()[:16]
        return cls(id, f"id: {id}\nevent: {_kind(view.status)}\ndata: {data}\n\n")


def _kind(status: WorkStatus) -> str:
    if status.state.ended:
        return "outcome"
    return "progress" if status.state is State.RUNNING and status.progress is not None else "state"
