"""Flower for a user of Redis who may look and not touch."""

from __future__ import annotations

import logging
from typing import Any, Final

from celery.app.control import Control
from kombu.exceptions import OperationalError
from redis.exceptions import NoPermissionError

_log = logging.getLogger(__name__)
_COURTESIES: Final = ("heartbeat", "enable_events")  # workers send both by themselves


class Onlooker(Control):  # type: ignore[misc]  # celery is untyped
    """Takes no for an answer where Flower, before it listens, asks workers to speak: it would not listen at all."""

    def broadcast(self, command: str, *arguments: Any, **options: Any) -> Any:
        """As Celery's. Raises `OperationalError` for whatever else is not allowed."""
        try:
            return super().broadcast(command, *arguments, **options)
        except OperationalError as error:
            if command not in _COURTESIES or not isinstance(error.__cause__, NoPermissionError):
                raise
            _log.info("%s is not allowed to this user of the broker", command)
            return None
