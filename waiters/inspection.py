"""Looking after works: status, lists, counts, cancelling and cleaning up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ..config.units import seconds
from ..interest.errors import InvalidPayload
from ..interest.ledger import Ledger
from ..interest.records import WorkStatus, lane_of
from ..interest.states import Reason, State
from .client import default_client

_WINDOW = 1000  # works of a lane and state among which the newest are found
_PAGE = 200  # records read in one round trip


def status(id_or_key: str) -> WorkStatus | None:
    """What the ledger knows about a work, by id or key; None if nothing. Raises `LedgerUnavailable`."""
    return resolve(default_client().ledger, id_or_key)


def works(
    *, state: State | str | None = None, name: str | None = None, lane: str | None = None, limit: int = 100
) -> list[WorkStatus]:
    """Works in the ledger, newest first, at most `limit`. Raises `InvalidPayload` for an unknown state.

    Of each lane and state the thousand works are looked at (or `limit`, if more) that the ledger looks at last.
    """
    ledger = default_client().ledger
    if not isinstance(limit, int) or limit < 1:
        raise InvalidPayload(f"expected limit to be 1 or more, got {limit!r}")
    states = [check_state(state)] if state is not None else list(State)
    # What changes its state between two looks is met twice: it is as it was met last.
    found = {
        record.id: record
        for known in ([lane] if lane is not None else ledger.lanes())
        for each in states
        for record in _take(_records(ledger, known, each), name, max(limit, _WINDOW))
    }
    return sorted(found.values(), key=lambda record: record.submitted_at, reverse=True)[:limit]


def counts() -> dict[State, int]:
    """How many works are in each state now, over all lanes. Raises `LedgerUnavailable`."""
    ledger = default_client().ledger
    total = dict.fromkeys(State, 0)
    for lane in ledger.lanes():
        for state, count in ledger.counts(lane).items():
            total[state] += count
    return total


def cancel(id_or_key: str) -> WorkStatus | None:
    """Ends a work for all its callers, by an operator's will; what it was before, or None if it is unknown.

    A pending work ends at once; a running one is told to stop. Raises `LedgerUnavailable`.
    """
    ledger = default_client().ledger
    found = resolve(ledger, id_or_key)
    if found is None:
        return None
    was = ledger.cancel(found.id, Reason.CANCELLED)
    return found.model_copy(update={"state": was or found.state})  # it may have changed since it was looked at


def cleanup(older_than: float | str | timedelta = 0.0) -> int:
    """Removes the records of works that ended at least `older_than` ago; how many.

    Raises `InvalidPayload` and `LedgerUnavailable`.
    """
    ledger = default_client().ledger
    try:
        age = seconds(older_than)
    except ValueError as error:
        raise InvalidPayload(f"older_than: {error}") from None
    removed = 0
    for lane in ledger.lanes():
        for state in State:
            if state.ended:
                ids = [id for page in _pages(ledger, lane, state) for id in page]
                removed += sum(ledger.forget(lane, ids[n : n + _PAGE], age) for n in range(0, len(ids), _PAGE))
    return removed


def resolve(ledger: Ledger, id_or_key: str) -> WorkStatus | None:
    """The work of that id, or else the newest of that key, live ones first."""
    if lane_of(id_or_key) is not None:
        found = ledger.statuses([id_or_key])[0]
        if found is not None:
            return found
    candidates = [record for record in ledger.statuses(ledger.ids_of_key(id_or_key)) if record]
    return max(candidates, key=lambda record: (not record.state.ended, record.submitted_at), default=None)


def check_state(state: State | str) -> State:
    """The state of that name, in any case of letters. Raises `InvalidPayload`."""
    try:
        return State(state.upper())
    except (ValueError, AttributeError):
        known = ", ".join(State)
        raise InvalidPayload(f"expected state to be one of {known}, got {state!r}") from None


def _take(records: Iterator[WorkStatus], name: str | None, limit: int) -> list[WorkStatus]:
    taken = []
    for record in records:
        if name is None or record.name == name:
            taken.append(record)
            if len(taken) == limit:
                break
    return taken


def _records(ledger: Ledger, lane: str, state: State) -> Iterator[WorkStatus]:
    for ids in _pages(ledger, lane, state):
        yield from (record for record in ledger.statuses(ids) if record is not None and record.state is state)


def _pages(ledger: Ledger, lane: str, state: State) -> Iterator[Sequence[str]]:
    start = 0
    while ids := ledger.ids(lane, state, start, _PAGE):
        yield ids
        start += _PAGE
