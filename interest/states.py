"""Where a work is (`State`), what asking said (`Verdict`), and why (`Reason`)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a work is. Exactly one at any moment; only the ledger's scripts move it."""

    PENDING = "PENDING"
    """Waiting for a worker: queued, delayed, held back, or put back after its worker was lost."""
    RUNNING = "RUNNING"
    """Claimed by a worker under a lease."""
    COMPLETED = "COMPLETED"
    """Ended with a result."""
    FAILED = "FAILED"
    """Ended with an error of its own, or its workers died too often."""
    CANCELLED = "CANCELLED"
    """Ended because somebody wanted it ended, or nobody wanted it any more."""
    EXPIRED = "EXPIRED"
    """Ended because the last deadline passed."""

    @property
    def ended(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


class Verdict(StrEnum):
    """What the ledger answers a worker that asks before it starts."""

    RUN = "RUN"
    """Start it: the claim is written."""
    HOLD = "HOLD"
    """Not now: the ledger rings again by itself."""
    DROP = "DROP"
    """Never: nobody wants it, or it is taken care of."""


class Reason(StrEnum):
    """Why a work was dropped, stopped or ended. The value is what people read."""

    DEADLINE_PASSED = "deadline passed"
    """Every caller's deadline is over."""
    WITHDRAWN = "withdrawn by its callers"
    """The last caller left: `cancel()`, the end of a `with` block, or an orderly exit."""
    CALLER_GONE = "caller gone"
    """Every attached caller's pulse stopped while the ledger was up."""
    NOT_ENOUGH_TIME = "not enough time left"
    """Less time is left than a run of this type takes, and other work waits for the slot."""
    CANCELLED = "cancelled by an operator"
    """`askfirst.cancel()` or `askfirst cancel`: for all callers."""
    REVOKED = "revoked"
    """Celery's own revoke, for example Flower's button."""
    REPLACED = "replaced by newer work of the same key"
    """A submission with `on_duplicate="replace"`."""
    OVERTAKEN = "overtaken by the next run of its schedule"
    """A schedule whose overlap policy is to cancel or to kill the other."""
    DUPLICATE = "duplicate delivery"
    """The message was delivered again while the work runs or after it ended."""
    PULSE_IN_DOUBT = "waiting for the caller's pulse"
    """The ledger was away, so a silent caller may well be alive: held until it had time to be heard."""
    KEY_BUSY = "older work of the same key still runs"
    """Its predecessor was replaced or cancelled and has not stopped yet."""
    NOT_DUE = "not due yet"
    """Delayed, or waiting to be tried again, and a message came early."""
    WORKER_LOST = "worker lost"
    """The worker died or lost its lease, as often as `max_deliveries` allows."""
    LEASE_LOST = "lease lost"
    """A run was taken for dead and given to another worker: it must stop itself."""
    SHUTDOWN = "worker shuts down"
    """The worker is told to end: what is still wanted goes back and runs elsewhere."""
    LIMIT_REACHED = "limit reached"
    """As many runs of its type, or of its partition, as the limit allows: held until one ends, or the rate allows."""
    UNKNOWN_TYPE = "unknown work type"
    """The worker that got the message does not know the function."""
    MESSAGE_REFUSED = "message refused"
    """What the ledger would ring with can't be run, or was changed: see `askfirst messages`."""

    @property
    def state(self) -> State:
        """Where a work ends that ends for this reason and not by its own run."""
        late = (Reason.DEADLINE_PASSED, Reason.NOT_ENOUGH_TIME)
        return State.EXPIRED if self in late else State.CANCELLED


#: The whole life of a work. The Lua scripts are tested against this table and the diagram in docs is drawn from it.
TRANSITIONS: MappingProxyType[State, MappingProxyType[State, str]] = MappingProxyType(
    {
        State.PENDING: MappingProxyType(
            {
                State.RUNNING: "RUN",
                State.CANCELLED: "cancel, last withdraw, replace, caller gone",
                State.EXPIRED: "deadline passed, not enough time left",
                State.FAILED: "unknown work type, message refused",
            }
        ),
        State.RUNNING: MappingProxyType(
            {
                State.COMPLETED: "finish with a result",
                State.FAILED: "finish with an error, worker lost too often",
                State.CANCELLED: "stopped on request or for want of callers",
                State.EXPIRED: "stopped at the deadline",
                State.PENDING: "retry, worker lost, worker shuts down",
            }
        ),
        State.COMPLETED: MappingProxyType({}),
        State.FAILED: MappingProxyType({}),
        State.CANCELLED: MappingProxyType({}),
        State.EXPIRED: MappingProxyType({}),
    }
)
