"""An owner's works, newest first, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from ..interest.errors import InvalidPayload
from ..interest.ledger import Ledger
from ..interest.records import WorkStatus
from ..interest.states import State
from ..waiters.inspection import check_state
from .owners import is_of
from .reading import wrong
from .showing import View

_WINDOW: Final = 1000  # works of a lane and state that are looked at
AT_ONCE: Final = 200  # records read in one round trip
MOST: Final = 500  # works in one answer
AFTER: Final = "([0-9]{1,15})~([A-Za-z0-9_.-]{1,100})"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which of an owner's works: those after a place (ms, id) in the order, newest first."""

    state: State | None
    name: str | None
    limit: int
    after: tuple[int, str] | None


def read_selection(request: Request) -> Selection:
    """What the query asks for. Raises `Problem`, naming the parameter that is wrong."""
    query = request.query_params
    limit = query.get("limit", "100")
    if not re.fullmatch(r"\d{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MOST:
        raise wrong("limit", f"expected a number from 1 to {MOST}")
    after = re.fullmatch(AFTER, query.get("after", "0~x"))
    if after is None:
        raise wrong("after", "expected what the page before gave as next")
    try:
        state = check_state(query["state"]) if "state" in query else None
    except InvalidPayload:
        raise wrong("state", f"expected one of {', '.join(State)}") from None
    return Selection(
        state, query.get("name"), int(limit), (int(after[1]), after[2]) if "after" in query else None
    )


def page(ledger: Ledger, owner: str, wanted: Selection) -> dict[str, Any]:
    """The works, and where the next page begins; None on the last. Raises `LedgerUnavailable`."""
    states = list(State) if wanted.state is None else [wanted.state]
    found = {
        _place(status): status
        for lane in ledger.lanes()
        for state in states
        for status in _records(ledger, lane, state)
        if is_of(owner, status.key) and wanted.name in (None, status.name)
    }
    places = sorted((place for place in found if wanted.after is None or place < wanted.after), reverse=True)
    shown = places[: wanted.limit]
    more = len(places) > len(shown)
    return {
        "works": [_body(found[place]) for place in shown],
        "next": f"{shown[-1][0]}~{shown[-1][1]}" if more else None,
    }


def _place(status: WorkStatus) -> tuple[int, str]:
    return round(status.submitted_at.timestamp() * 1000), status.id


def _body(status: WorkStatus) -> dict[str, Any]:
    body = View(status).body()
    body.pop("result", None)  # results are had one by one
    return body


def _records(ledger: Ledger, lane: str, state: State) -> Iterator[WorkStatus]:
    for start in range(0, _WINDOW, AT_ONCE):
        ids = ledger.ids(lane, state, start, AT_ONCE)
        yield from (status for status in ledger.statuses(ids) if status is not None and status.state is state)
        if len(ids) < AT_ONCE:
            return
