"""Every key that schedules have in Redis, by name. `scripts/includes/keys.lua` mirrors it, and a test holds it to that.

They share one hash tag, so that every script touches one slot of a Redis Cluster. The tag has a colon, which no lane
can have: the works that schedules start are in the keys of their lanes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScheduleKeys:
    """The keys of all schedules of a namespace."""

    namespace: str

    @property
    def base(self) -> str:
        """The prefix that all of them share; handed to every script as KEYS[1]."""
        return f"askfirst:{{{self.namespace}:schedules}}"

    @property
    def ids(self) -> str:
        """Sorted set: the ids of all schedules, all scored 0 and so in the order of their letters. No TTL."""
        return f"{self.base}:ids"

    @property
    def due(self) -> str:
        """Sorted set: schedule → when (ms) its next instant fires. Those that are paused or over are not in. No TTL."""
        return f"{self.base}:due"

    @property
    def agenda(self) -> str:
        """Sorted set: `instant id` → when (ms) somebody looks after this claim or run next. Goes with it; no TTL."""
        return f"{self.base}:agenda"

    @property
    def calendars(self) -> str:
        """Hash: calendar → its definition (JSON); the empty name has the number of changes. No TTL."""
        return f"{self.base}:calendars"

    @property
    def outbox(self) -> str:
        """Hash: `instant id` → an entry that the SQL mirror hasn't yet, behind the number of its change.

        There is one only while there is a mirror. The empty field counts what found no room, `#` is the last number,
        `@` is where the copy of what was there before the mirror has got to. TTL: a week after it was last heard of.
        """
        return f"{self.base}:outbox"

    def schedule(self, id: str) -> str:
        """Hash: definition, revision, lane, cursor (the last nominal instant decided, ms), pause, failures. No TTL."""
        return f"{self.base}:schedule:{id}"

    def open(self, id: str) -> str:
        """Sorted set: instants claimed whose run has not ended → nominal time (ms). Goes with them; no TTL."""
        return f"{self.base}:open:{id}"

    def buffered(self, id: str) -> str:
        """Sorted set: instants that wait for the run before them → nominal time (ms). Goes with them; no TTL."""
        return f"{self.base}:buffered:{id}"

    def history(self, id: str) -> str:
        """Sorted set: instants that history knows → nominal time (ms). Trimmed by the policy; no TTL."""
        return f"{self.base}:history:{id}"

    def entries(self, id: str) -> str:
        """Hash: instant → what became of it (JSON). Trimmed with the history; no TTL."""
        return f"{self.base}:entries:{id}"

    def tag(self, tag: str) -> str:
        """Set: the schedules that have this tag. Goes with the last of them; no TTL."""
        return f"{self.base}:tag:{tag}"
