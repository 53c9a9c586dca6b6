"""What is left when the load is over: the state of every work, and an hour later nothing that is not meant to stay."""

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from askfirst.interest.keys import LaneKeys
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.states import State
from tests.support.eventually import eventually
from tests.support.leaks import permanent_keys

from . import clocks
from .journal import Journal
from .servers import Servers, clients_of
from .stage import RETENTION
from .watch import LANES

_QUIET: Final = 20.0  # seconds: whatever was lost last is found within
_PAGE: Final = 500
_FEW: Final = 4
LATER: Final = 90_000
"""Seconds: a day, for which the run times of a partition are remembered, and an hour."""

#: Of the keys without a TTL, those that stay for ever, each bounded by the number of lanes, types, workers or callers.
_BOUNDED: Final = re.compile(
    r"askfirst:faults:(types|lanes)|askfirst:\{faults\.\w+\}:(evidence|runtimes|load|limits|totals|spent|pulse|workers|slots|aside)"
    r"|_kombu\.binding.*"
)


def wait_until_quiet(servers: Servers) -> dict[str, int]:
    """Until no work is pending or running; those that still are after a while, by state."""

    def live() -> dict[str, int]:
        client = servers.primary.client()
        return {
            f"{lane} {state}": count
            for lane in LANES
            for state in (State.PENDING, State.RUNNING)
            if (count := client.zcard(LaneKeys("faults", lane).index(state)))
        }

    with contextlib.suppress(AssertionError):
        eventually(lambda: not live(), within=_QUIET, every=0.2)
    return live()


def write_states(servers: Servers, journal: Journal, ids: Iterable[str]) -> None:
    """The state of each work, as its record has it, and the indexes that it stands in."""
    for page in _pages(sorted(ids)):
        pipeline = servers.primary.client().pipeline(transaction=False)
        for id in page:
            names = LaneKeys("faults", id.partition(".")[0])
            pipeline.hmget(names.work(id), "state", "attempt", "reason")
            for state in State:
                pipeline.zscore(names.index(state), id)
        replies = pipeline.execute()
        width = 1 + len(State)
        for place, id in enumerate(page):
            (state, attempt, reason), *scores = replies[place * width : (place + 1) * width]
            indexes = [str(state) for state, score in zip(State, scores, strict=True) if score is not None]
            journal.write("state", id=id, state=state, attempt=int(attempt or 0), reason=reason, indexes=indexes)


def totals(servers: Servers) -> dict[str, int]:
    """How many works ever ended, by state and reason, and as `works` how many ended ones there are."""
    client = servers.primary.client()
    found = {"works": 0}
    for lane in LANES:
        names = LaneKeys("faults", lane)
        for name, count in client.hgetall(names.totals).items():
            found[name] = found.get(name, 0) + int(count)
        found["works"] += sum(client.zcard(names.index(state)) for state in State if state.ended)
    return found


def taken_for_bad(servers: Servers) -> list[str]:
    """Messages that were set aside, though all of them were written by the ledger and by Celery."""
    return [text for lane in LANES for text in servers.primary.client().lrange(LaneKeys("faults", lane).aside, 0, _FEW)]


def connections(servers: Servers) -> list[str]:
    """Who is still connected to Redis, apart from those who look and from its replica."""
    return [
        f"{each['addr']} {each['name'] or each['cmd']}"
        for each in clients_of(servers.primary)
        if each["cmd"] != "replconf" and "S" not in each["flags"]
    ]


def left_a_day_later(servers: Servers, folder: Path) -> list[str]:
    """Starts Redis again a day later by its clock, has caretakers look after what it had; the keys that are left."""
    if why := clocks.missing():
        return [f"(not looked at: {why})"]
    server = servers.primary
    server.kill()
    server.start(clocks.variables(folder, folder / "redis.clock", LATER))
    client = server.client()
    ahead = client.time()[0] - time.time()
    assert ahead > LATER - 60, f"the clock of Redis is only {ahead:.0f} s ahead"
    ledger = Ledger(Line(server.url(), 2.0), "faults", Policy())
    for lane in LANES:
        eventually(lambda lane=lane: ledger.tend(lane, idle=False) > 0, what="all that is due is looked after")
    ledger.line.close()
    return sorted(_explained(client, name) for name in client.scan_iter(count=1000) if not _BOUNDED.fullmatch(name))


def keys_without_end(servers: Servers) -> list[str]:
    """Keys that have no TTL and are not of a kind that has none."""
    client = servers.primary.client()
    permanent = [*permanent_keys(), _BOUNDED]
    names = [name for name in client.scan_iter(count=1000) if not any(each.fullmatch(name) for each in permanent)]
    ttls: dict[str, int] = {}
    for page in _pages(names):
        pipeline = client.pipeline(transaction=False)
        for name in page:
            pipeline.pttl(name)
        ttls |= dict(zip(page, pipeline.execute(), strict=True))
    most = (RETENTION + 600) * 1000
    return [f"{name}: ttl {ttl} ms" for name, ttl in ttls.items() if ttl == -1 or ttl > most]


def _explained(client: Any, name: str) -> str:
    kind = client.type(name)
    size = {"list": client.llen, "zset": client.zcard, "hash": client.hlen, "set": client.scard}.get(
        kind, client.strlen
    )
    return f"{name}: {kind} of {size(name)}, ttl {client.pttl(name)} ms"


def _pages(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _PAGE):
        yield names[start : start + _PAGE]
