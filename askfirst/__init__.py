"""A Celery worker fleet that never works for nobody."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .face import (
        DuplicateWork,
        InterestLost,
        InvalidPayload,
        InvalidWork,
        LedgerUnavailable,
        OperationTimeout,
        Reason,
        Resource,
        Retry,
        SettingsError,
        State,
        UnknownWork,
        WorkCancelled,
        WorkContext,
        WorkError,
        WorkFailed,
        WorkLost,
        WorkRejected,
        WorkStatus,
        WorkTimeout,
        WorkWaiter,
        asubmit_work,
        attach,
        cancel,
        cleanup,
        counts,
        create_app,
        install,
        override_resource,
        status,
        submit_many,
        submit_work,
        work,
        works,
    )

__all__ = [
    "DuplicateWork",
    "InterestLost",
    "InvalidPayload",
    "InvalidWork",
    "LedgerUnavailable",
    "OperationTimeout",
    "Reason",
    "Resource",
    "Retry",
    "SettingsError",
    "State",
    "UnknownWork",
    "WorkCancelled",
    "WorkContext",
    "WorkError",
    "WorkFailed",
    "WorkLost",
    "WorkRejected",
    "WorkStatus",
    "WorkTimeout",
    "WorkWaiter",
    "asubmit_work",
    "attach",
    "cancel",
    "cleanup",
    "counts",
    "create_app",
    "install",
    "override_resource",
    "status",
    "submit_many",
    "submit_work",
    "work",
    "works",
]


def __getattr__(name: str) -> Any:
    """A public name, at its first use: the rooms take a good part of a second to import, and `--help` needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import face

    value = globals()[name] = getattr(face, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
