"""From settings to a ledger and a broker: what callers and workers have in common."""

from __future__ import annotations

from ..config import Settings
from ..interest.embedded import embedded_redis
from ..interest.ledger import Ledger, Policy
from ..interest.line import Line
from ..interest.url import broker_url_for, redis_url_for_client


def redis_url(settings: Settings) -> str:
    """The URL of the ledger's Redis; starts the embedded one if none is configured. Raises `LedgerUnavailable`."""
    if settings.redis_url is not None:
        return redis_url_for_client(settings.redis_url)
    return embedded_redis(settings.data_dir).url


def broker_url(settings: Settings) -> str:
    """The URL of Celery's broker: the ledger's Redis unless configured otherwise."""
    return settings.broker_url or broker_url_for(redis_url(settings))


def open_ledger(settings: Settings, *, broker: str | None = None) -> Ledger:
    """A ledger with a connection of its own, made at its first use.

    `broker` is the broker's URL where an existing Celery app brings its own.
    """
    url = redis_url(settings)
    broker = broker or settings.broker_url
    policy = Policy(settings.lease, settings.pulse_timeout, settings.max_deliveries)
    revive = embedded_redis(settings.data_dir).ensure_running if settings.redis_url is None else None
    line = Line(url, settings.connect_timeout, revive)
    doorbell = None
    if broker is not None and redis_url_for_client(broker) != url:
        from .doorbell import Doorbell  # kombu takes a quarter of a second to import, and most callers never ring

        doorbell = Doorbell(broker, settings.connect_timeout)
    keys = [key.get_secret_value() for key in settings.signing_key]
    return Ledger(line, settings.namespace, policy, doorbell, keys)
