"""Works for schedules, and schedules under the test's hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from askfirst import WorkContext, work
from askfirst.interest.records import WorkStatus
from askfirst.schedules import Every, HistoryEntry, Schedule
from askfirst.schedules.definitions import Definitions
from askfirst.schedules.managing import Manager, utc
from askfirst.schedules.publishing import Publisher
from askfirst.schedules.scheduler import Scheduler
from askfirst.schedules.store import Claimed, Decision, Due, Fate
from askfirst.waiters.client import Client

from .lanes import Lane
from .running import written_down


@work(name="scheduled.note", timeout=30)
def note(ctx: WorkContext, log: Path, seconds: float = 0.0) -> None:
    """Writes down which instant it runs for."""
    assert ctx.nominal_time is not None
    with written_down(ctx, log, nominal=ctx.nominal_time.isoformat()):
        ctx.sleep(seconds)


@work(name="scheduled.fail", timeout=30)
def fail(text: str = "no") -> None:
    raise ValueError(text)


class Desk:
    """Schedules whose scheduler ticks when the test says so. An outage is made by moving the cursor back."""

    def __init__(self, client: Client, redis: Any, lane: Lane) -> None:
        self.client = client
        self.redis = redis
        self.lane = lane
        self.manager = Manager(client)
        self.store = self.manager.store
        self.scheduler = Scheduler(client)
        self.keys = self.store.keys
        self._anchor = utc(datetime.now(UTC) - timedelta(seconds=30))

    def put(self, id: str = "s", **fields: Any) -> Schedule:
        """A schedule of every minute, unless told otherwise: half a minute from now, so that none is due meanwhile."""
        triggers = Every("1m", anchor=self._anchor)
        given: dict[str, Any] = {"work": note, "payload": {"log": "/dev/null"}, "triggers": triggers} | fields
        schedule = Schedule(id=id, **given)
        self.manager.put(schedule)
        return schedule

    def away(self, seconds: float, id: str = "s") -> None:
        """Nobody decided anything for so long."""
        self.redis.hincrby(self.keys.schedule(id), "cursor", round(-seconds * 1000))
        self.redis.zadd(self.keys.due, {id: 0}, xx=True)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.scheduler.tick()

    def claim(self, id: str = "s") -> list[Claimed]:
        """Its next instant is decided to fire, as if it were due; whoever did that does not publish it."""
        record = self.store.record(id)
        assert record is not None
        nominal = record.cursor + 60_000
        due = Due(id, record.revision, record.cursor, "", 0)
        overlap = Schedule.from_json(record.definition).overlap
        fates = [Fate(nominal, "fire")]
        [claims] = self.store.decide([Decision(due, "", nominal, nominal + 3_600_000, "", "", overlap, fates)])
        assert claims is not None
        return claims

    def fire(self, id: str = "s") -> HistoryEntry:
        """Its next instant is fired, as if it were due; what became of it."""
        self.publish(self.claim(id))
        return self.history(id)[0]

    def publish(self, claims: Sequence[Claimed]) -> None:
        Publisher(self.client, self.store, Definitions(self.store)).publish(claims)

    def history(self, id: str = "s") -> list[HistoryEntry]:
        """All that is known of its instants, the newest first."""
        return self.manager.history(id, since=None, until=None, status=None, limit=10_000)

    def told(self, id: str = "s") -> list[tuple[str, str | None, int]]:
        """The same in short: status, why, how many; the oldest first."""
        return [(entry.status.value, entry.why, entry.count) for entry in reversed(self.history(id))]

    def work_of(self, entry: HistoryEntry) -> WorkStatus:
        assert entry.work is not None
        return self.lane.status(entry.work)

    def look_again(self) -> None:
        """Whatever somebody is to look at is due now; then a scheduler does."""
        for member in self.redis.zrange(self.keys.agenda, 0, -1):
            self.redis.zadd(self.keys.agenda, {member: 0})
        self.tick()

    def close(self) -> None:
        """Deletes all; nothing may be left of it."""
        for status in self.manager.page(tag=None, prefix="", after="", limit=10_000):
            self.manager.delete(status.id, "test")
        self.redis.delete(self.keys.calendars, self.keys.outbox)
        assert self.redis.keys(f"{self.keys.base}*") == []
