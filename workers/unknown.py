"""A message for a work type that the worker does not know fails the work, instead of leaving its caller waiting."""

from __future__ import annotations

import json
import logging
from typing import Any

from celery import signals

from ..interest.errors import LedgerUnavailable
from ..interest.records import lane_of
from ..interest.states import Reason, State

_log = logging.getLogger(__name__)


def connect() -> None:
    """Listens to Celery's signal for unknown tasks."""
    signals.task_unknown.connect(_fail, weak=False, dispatch_uid="askfirst-unknown")


def _fail(sender: Any, name: str, id: str, **_: Any) -> None:
    runtime = getattr(sender.app, "askfirst", None)
    if runtime is None or not isinstance(id, str) or lane_of(id) is None:
        return
    message = f"worker {runtime.worker} does not know the work type {name!r}: import its module there (--import)"
    failure = json.dumps({"type": "UnknownWork", "message": message, "traceback": ""})
    try:
        runtime.ledger.cancel(id, Reason.UNKNOWN_TYPE, state=State.FAILED, failure=failure)
    except LedgerUnavailable as error:
        _log.error("%r[%s] could not be failed: %s", name, id, error)
