"""Where the rooms meet: the public names, and what needs both sides of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import Settings, SettingsError, load_settings
from .interest.errors import (
    DuplicateWork,
    InvalidPayload,
    InvalidWork,
    LedgerUnavailable,
    UnknownWork,
    WorkCancelled,
    WorkError,
    WorkFailed,
    WorkLost,
    WorkRejected,
    WorkTimeout,
)
from .interest.records import WorkStatus
from .interest.states import Reason, State
from .tasks import InterestLost, OperationTimeout, Resource, Retry, WorkContext, override_resource, work
from .waiters import (
    WorkWaiter,
    asubmit_work,
    attach,
    cancel,
    cleanup,
    configure,
    counts,
    status,
    submit_many,
    submit_work,
    works,
)

if TYPE_CHECKING:
    from celery import Celery

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


def create_app(settings: Settings | None = None, **overrides: Any) -> Celery:
    """A Celery app that asks first, for the settings given, or loaded as everywhere else.

    Works that it runs, and this process's `submit_work`, use the same settings. Raises `SettingsError`.
    """
    from .workers import create_app  # callers that never run a worker need not pay for importing Celery

    effective = load_settings(**overrides) if settings is None else settings
    configure(effective)
    return create_app(effective)


def install(app: Celery, **overrides: Any) -> None:
    """Teaches an existing Celery app to ask first: its workers then run askfirst works beside its own tasks.

    Call it when the app is configured. Without a Redis or broker in the settings, the app's own broker serves both.
    Raises `SettingsError`.
    """
    from .workers import install

    configure(install(app, load_settings(**overrides)))
