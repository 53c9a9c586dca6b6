"""Everything a caller can be told went wrong.

    WorkError
    ├── WorkTimeout        (TimeoutError)      the deadline passed without an answer
    ├── WorkCancelled      (CancelledError)    somebody withdrew, cancelled, replaced or revoked it
    ├── WorkFailed                             the function raised, or its result could not be carried
    │   └── WorkLost                           its workers died too often
    ├── WorkRejected                           refused at the door; `retry_after` says when to come back
    ├── DuplicateWork                          another work holds the key
    ├── InvalidPayload     (ValueError)        the arguments or options of a submission are wrong
    ├── InvalidWork        (ValueError, TypeError)  a definition is wrong
    ├── UnknownWork        (LookupError)       no such work type, work id or key
    └── LedgerUnavailable  (ConnectionError)   Redis cannot be reached, or is not safe to use
        └── EmbeddedRedisError                 the private one can't be started
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import CancelledError


class WorkError(Exception):
    """Root of every error about a work.

    Wrong settings raise `SettingsError`, before there is one; inside a work there are `InterestLost` and
    `OperationTimeout`.
    """


class WorkTimeout(WorkError, TimeoutError):
    """The deadline passed before an answer came."""


class WorkCancelled(WorkError, CancelledError):
    """The work was ended on purpose; `reason` says by what."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class WorkFailed(WorkError):
    """The work's function raised, or its result could not be carried.

    `error_type` is the qualified name of the exception, `message` its text, `traceback` the worker's traceback as text.
    """

    def __init__(self, error_type: str, message: str, traceback: str = "") -> None:
        super().__init__(f"{error_type}: {message}" if message else error_type)
        self.error_type = error_type
        self.message = message
        self.traceback = traceback

    def __reduce__(self) -> tuple[type[WorkFailed], tuple[str, str, str]]:
        return type(self), (self.error_type, self.message, self.traceback)


class WorkLost(WorkFailed):
    """The workers that ran it died too often; see the `max_deliveries` setting."""


class WorkRejected(WorkError):
    """Refused at the door: `reason` says why, `retry_after` in how many seconds to try again.

    "overloaded": it could not be done by its deadline; "full": the lane has `max_pending` works already.
    """

    def __init__(self, message: str, reason: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after


class DuplicateWork(WorkError):
    """Another work of this type holds the key; `id` is the other's."""

    def __init__(self, message: str, id: str = "") -> None:
        super().__init__(message)
        self.id = id


class InvalidPayload(WorkError, ValueError):
    """The arguments or options of a submission are wrong; the text names each.

    `fields` are the arguments that are wrong, as far as they are known one by one: where, and what is wrong there.
    """

    def __init__(self, message: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class InvalidWork(WorkError, ValueError, TypeError):
    """A definition with `@work` is wrong; raised where it is defined."""


class UnknownWork(WorkError, LookupError):
    """No work type, work id or key of that name is known."""


class LedgerUnavailable(WorkError, ConnectionError):
    """Redis cannot be reached, refuses us, or is not configured safely; the text says what to change."""
