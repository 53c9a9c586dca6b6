"""Every key in Redis, by name. `scripts/includes/keys.lua` mirrors it, and a test holds it to that.

The keys of one lane share a hash tag equal to the name of its Celery queue, so a script touches one slot of a Redis
Cluster, the queue's own list included; not so kombu's lists of the other importances.
"""

from __future__ import annotations

from dataclasses import dataclass


def types(namespace: str) -> str:
    """Hash: work type name → its published description (JSON). Written by workers when they start; no TTL."""
    return f"askfirst:{namespace}:types"


def lanes(namespace: str) -> str:
    """Set of the lanes that were ever used in this namespace; no TTL."""
    return f"askfirst:{namespace}:lanes"


@dataclass(frozen=True, slots=True)
class LaneKeys:
    """The keys of one lane."""

    namespace: str
    lane: str

    @property
    def queue(self) -> str:
        """List: the Celery queue of the lane, for critical works; kombu's own key."""
        return f"{self.namespace}.{self.lane}"

    @property
    def queues(self) -> tuple[str, ...]:
        """Lists: the same for critical, normal and sheddable works, as kombu's Redis transport names priorities."""
        return (self.queue, f"{self.queue}\x06\x163", f"{self.queue}\x06\x166")

    @property
    def base(self) -> str:
        """The prefix that all keys of the lane share; handed to every script as KEYS[1]."""
        return f"askfirst:{{{self.queue}}}"

    def work(self, id: str) -> str:
        """Hash: the record of a work. TTL: until its deadline plus retention, then retention from its end."""
        return f"{self.base}:work:{id}"

    def letter(self, id: str) -> str:
        """String: what is rung with, while the work lives. TTL: as the record of a live work."""
        return f"{self.base}:letter:{id}"

    def interests(self, id: str) -> str:
        """Sorted set: interest → deadline (ms). Goes with the end of the work; TTL as the record."""
        return f"{self.base}:interests:{id}"

    def tombstone(self, id: str) -> str:
        """String: a work that ended and was forgotten before its deadline. TTL: until that deadline."""
        return f"{self.base}:tombstone:{id}"

    def key(self, key: str) -> str:
        """Hash: work type name → id of its newest work under this key. TTL: as the longest-lived record."""
        return f"{self.base}:key:{key}"

    def mail(self, party: str) -> str:
        """List: what a caller or a worker is to be told. TTL: a minute from the last letter."""
        return f"{self.base}:mail:{party}"

    def index(self, state: str) -> str:
        """Sorted set: id → when (ms) the ledger looks at it next: due, lease end or, once ended, oblivion. No TTL."""
        return f"{self.base}:index:{state}"

    @property
    def pulse(self) -> str:
        """Sorted set: caller → last sign of life (ms). Trimmed by the caretaker; no TTL."""
        return f"{self.base}:pulse"

    @property
    def evidence(self) -> str:
        """Hash: `last` beat of anybody, `since` when beats have no gap, `heard:` newest ring asked about. No TTL."""
        return f"{self.base}:evidence"

    @property
    def workers(self) -> str:
        """Sorted set: worker → last beat (ms). Trimmed by the caretaker; no TTL."""
        return f"{self.base}:workers"

    @property
    def runtimes(self) -> str:
        """Hash: work type name → mean, mean deviation and time (ms) of its runs. No TTL."""
        return f"{self.base}:runtimes"

    def runtime(self, group: str) -> str:
        """String: the same for a partition. TTL: a day from its last run."""
        return f"{self.base}:runtime:{group}"

    @property
    def slots(self) -> str:
        """Hash: worker → its slots for this lane. Trimmed by the caretaker; no TTL."""
        return f"{self.base}:slots"

    @property
    def load(self) -> str:
        """Hash: sums of what waits and what there is to do it with; see includes/load.lua. No TTL."""
        return f"{self.base}:load"

    @property
    def ends(self) -> str:
        """Sorted set: running work → when it is expected to end (ms). Goes with the runs; no TTL."""
        return f"{self.base}:ends"

    @property
    def limits(self) -> str:
        """Hash: limits and expected run times, declared by types or set by operators. No TTL."""
        return f"{self.base}:limits"

    def permits(self, group: str) -> str:
        """Sorted set: work that runs or may start → when it got the permit (ms). TTL: as the longest-lived record."""
        return f"{self.base}:permits:{group}"

    def released(self, group: str) -> str:
        """Set: those of them that have not started. TTL: as theirs."""
        return f"{self.base}:released:{group}"

    def held(self, group: str) -> str:
        """Sorted set: work that waits for a permit → its place in the line. Goes with the works; no TTL."""
        return f"{self.base}:held:{group}"

    def starts(self, group: str) -> str:
        """Sorted set: the last starts (ms) that the group's rate counts. TTL: the rate's period."""
        return f"{self.base}:starts:{group}"

    @property
    def totals(self) -> str:
        """Hash: how many works ever ended, by state and reason, or were rejected, by reason. No TTL."""
        return f"{self.base}:totals"

    @property
    def aside(self) -> str:
        """List: messages that no worker could run (ms and JSON), newest first. TTL: a week from the last."""
        return f"{self.base}:aside"

    @property
    def spent(self) -> str:
        """Hash: how long runs ever took (ms), `useful` and `wasted`; see includes/spent.lua. No TTL."""
        return f"{self.base}:spent"
