"""What `askfirst doctor` looks at, one finding after the other. Nothing is written."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from .finding import LedgerClock
from .given import Given
from .printing import duration

if TYPE_CHECKING:
    from askfirst.config import Settings
    from askfirst.interest.ledger import Ledger

_PINGS: Final = 21
_SLOW: Final = 0.005  # seconds; a work costs a few round trips
_HEARD: Final = 5.0  # seconds; a worker beats every second
_OVERDUE: Final = 5.0  # seconds; until then an instant is on time
_FAR: Final = 5.0  # seconds between two clocks that confuse people, though not the ledger


class Health(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    health: Health
    subject: str
    text: str
    advice: str = ""


def examine(given: Given) -> Iterator[Finding]:
    """All findings, the settings' first; ends early where nothing more can be seen."""
    from askfirst import LedgerUnavailable, SettingsError

    try:
        settings = given.configure()
    except SettingsError as error:
        yield Finding(Health.FAIL, "settings", str(error), "askfirst config shows what comes from where")
        return
    yield Finding(Health.OK, "settings", f"valid, namespace {settings.namespace}")
    try:
        yield from _examine_ledger(settings)
    except LedgerUnavailable as error:
        yield Finding(Health.FAIL, "Redis", str(error))


def _examine_ledger(settings: Settings) -> Iterator[Finding]:
    from askfirst.waiters.client import default_client

    ledger = default_client().ledger
    ledger.line.command("PING")  # connecting refuses a server that is too old, evicts or takes no writes
    yield from _server(ledger, settings)
    yield _latency(ledger)
    yield _scripts(ledger)
    yield _clock()
    yield _broker(settings)
    yield _work_types(ledger)
    yield from _lanes(ledger, settings)
    yield from _schedules()


def _server(ledger: Ledger, settings: Settings) -> Iterator[Finding]:
    from askfirst import LedgerUnavailable
    from askfirst.interest.url import redacted

    where = f"at {redacted(ledger.line.url)}" + ("" if settings.redis_url else " (embedded)")
    try:
        info = dict(line.split(":", 1) for line in ledger.line.command("INFO").splitlines() if ":" in line)
    except LedgerUnavailable:
        yield Finding(Health.WARN, "Redis", f"answers {where}, but INFO is not allowed", "allow INFO in its ACL")
        return
    text = f"{info.get('redis_version')} {where}, {info.get('role')}, {info.get('maxmemory_policy')}"
    yield Finding(Health.OK, "Redis", text)
    if info.get("aof_enabled") == "1":
        yield Finding(Health.OK, "persistence", "append-only file")
    else:
        advice = "set appendonly yes in redis.conf or by CONFIG SET"
        yield Finding(Health.WARN, "persistence", "no append-only file: a restart loses works", advice)


def _latency(ledger: Ledger) -> Finding:
    taken = []
    for _ in range(_PINGS):
        begun = time.perf_counter()
        ledger.line.command("PING")
        taken.append(time.perf_counter() - begun)
    median = statistics.median(taken)
    text = f"PING takes {median * 1000:.2f} ms (median of {_PINGS})"
    if median < _SLOW:
        return Finding(Health.OK, "latency", text)
    return Finding(Health.WARN, "latency", text, "use a Redis nearer by: each work costs a few round trips")


def _scripts(ledger: Ledger) -> Finding:
    from askfirst import LedgerUnavailable
    from askfirst.config import DEFAULT_LANE

    begun = time.perf_counter()
    try:
        ledger.forget(DEFAULT_LANE, [], 0)  # of no works: runs a script and changes nothing
    except LedgerUnavailable as error:
        return Finding(Health.FAIL, "scripts", str(error), "allow SCRIPT LOAD, EVAL and EVALSHA in its ACL")
    return Finding(Health.OK, "scripts", f"run; one took {(time.perf_counter() - begun) * 1000:.2f} ms")


def _clock() -> Finding:
    offset = time.time() - LedgerClock().now().timestamp()
    text = f"this host's clock is {duration(abs(offset))} {'ahead of' if offset > 0 else 'behind'} Redis's"
    advice = "harmless to the ledger, confusing to people: run NTP" if abs(offset) > _FAR else ""
    return Finding(Health.INFO, "clock", text, advice)


def _broker(settings: Settings) -> Finding:
    from askfirst.interest.url import redacted
    from askfirst.tasks.connecting import broker_url

    if settings.broker_url is None:
        return Finding(Health.OK, "broker", "the same Redis")
    from kombu import Connection

    url = broker_url(settings)
    with Connection(url, connect_timeout=settings.connect_timeout) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=settings.connect_timeout)
        except Exception as error:  # every transport of kombu raises its own
            text = f"cannot reach {redacted(url)}: {redacted(str(error)) or type(error).__name__}"
            return Finding(Health.FAIL, "broker", text, "is it running, is broker_url right?")
    return Finding(Health.OK, "broker", f"answers at {redacted(url)}")


def _work_types(ledger: Ledger) -> Finding:
    names = ledger.published_names()
    if names:
        return Finding(Health.OK, "work types", f"{len(names)} published: {', '.join(names)}")
    return Finding(Health.WARN, "work types", "none published", "start a worker that imports them: --import MODULE")


def _lanes(ledger: Ledger, settings: Settings) -> Iterator[Finding]:
    configured = {lane for pool in settings.pools.values() for lane in pool.lanes}
    for lane in sorted(configured | set(ledger.lanes())):
        finding = _lane(ledger, lane)
        # A lane that only once was: not worth a warning.
        if lane in configured or finding.health is not Health.WARN:
            yield finding


def _lane(ledger: Ledger, lane: str) -> Finding:
    from askfirst.interest.states import State

    silences = ledger.workers(lane)
    alive = [worker for worker, silence in silences.items() if silence < _HEARD]
    counts = ledger.counts(lane)
    waiting = counts[State.PENDING]
    text = f"workers {len(alive)}, works pending {waiting}, running {counts[State.RUNNING]}"
    if alive:
        return Finding(Health.OK, f"lane {lane}", f"{text}: {', '.join(alive)}")
    if silences:
        last, silence = min(silences.items(), key=lambda item: item[1])
        text += f"; {last} was last heard {duration(silence)} ago"
    advice = f"start one: askfirst worker --lanes {lane}, or askfirst up"
    return Finding(Health.FAIL if waiting else Health.WARN, f"lane {lane}", text, advice)


def _schedules() -> Iterator[Finding]:
    from importlib.util import find_spec

    from askfirst import LedgerUnavailable

    if find_spec("cronsim") is None:  # the extra is not installed
        return
    from askfirst.schedules.api import manager

    store = manager().store
    try:
        upcoming = store.upcoming(1)
        now = store.now()
    except LedgerUnavailable:  # with Redis users, those of callers and workers may not look at schedules
        return
    if not upcoming:
        return
    id, due = upcoming[0]
    late = (now - due) / 1000
    if late < _OVERDUE:
        yield Finding(Health.OK, "schedules", f"none is overdue; next is {id}")
        return
    advice = "start a scheduler, or two: askfirst schedule run"
    yield Finding(Health.WARN, "schedules", f"{id} should have fired {duration(late)} ago", advice)
