"""Celery's own revoke, for example by Flower's button, reaches the ledger: the caller fails fast."""

from __future__ import annotations

import logging
from typing import Any

from celery.utils.functional import maybe_list
from celery.worker import control as celery_control
from celery.worker.control import control_command
from celery.worker.state import revoked

from ..interest.errors import LedgerUnavailable
from ..interest.records import lane_of
from ..interest.states import Reason

_log = logging.getLogger(__name__)
_celery_revoke = celery_control.revoke


def replace_revoke() -> None:
    """Puts our commands in the place of Celery's; works of other tasks go on to Celery's."""
    control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(_revoke)
    control_command(
        name="terminate", variadic="task_id", args=[("signal", str)], signature="<signal> [id1 [id2 [... [idN]]]]"
    )(_terminate)


def _revoke(state: Any, task_id: Any, terminate: bool = False, signal: str | None = None, **kwargs: Any) -> Any:
    """Revoke work or tasks by id."""
    ids = list(maybe_list(task_id) or [])
    ours = [id for id in ids if lane_of(id) is not None and hasattr(state.app, "askfirst")]
    failed = [id for id in ours if not _cancel(state.app.askfirst, id)]
    done = celery_control.ok(f"works {ours} revoked")
    if terminate or len(ours) < len(ids):
        others = ids if terminate else [id for id in ids if id not in ours]
        try:
            done = _celery_revoke(state, others, terminate=terminate, signal=signal, **kwargs)
        finally:
            for id in ours:
                # The ledger has the last word. Celery would ask it when a message comes, and again for its slot: of the
                # two questions one would claim the work, and the other be told that it runs.
                revoked.discard(id)
    return celery_control.nok(f"works {failed} are not revoked: the ledger is away") if failed else done


def _terminate(state: Any, signal: str, task_id: Any, **kwargs: Any) -> Any:
    """Terminate work or tasks by id."""
    return _revoke(state, task_id, terminate=True, signal=signal, **kwargs)


def _cancel(runtime: Any, id: str) -> bool:
    """Whether the ledger knows."""
    try:
        runtime.ledger.cancel(id, Reason.REVOKED)
    except LedgerUnavailable as error:
        _log.error("%s could not be revoked: %s", id, error)
        return False
    return True
