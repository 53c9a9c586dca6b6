"""The faults, by kind. Each is a generator with two stops: it yields whom it harms, is gone on with and does the harm,
yields again, and ends the harm when it is gone on with once more; between the two the campaign lets time pass.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import redis

from . import clocks
from .stage import LEASE, Process, Stage

Fault = Generator[dict[str, Any], None, None]

_JUMPS: Final = (3600, -3600, 86400, -5, 5)
_OUTLASTING: Final = (LEASE + 1.0, LEASE + 2.5)


@dataclass(frozen=True)
class Kind:
    """How to do it, for how long, and whether it is about Redis itself."""

    name: str
    make: Callable[[Stage, Random], Fault]
    hold: tuple[float, float]
    redis: bool = False
    """Whether nobody gets any further while it lasts."""
    needs: Callable[[], str] = str
    """Why it cannot be done here; empty if it can."""


KINDS: dict[str, Kind] = {}


def _kind(
    name: str, hold: tuple[float, float] = (0.0, 0.0), **more: Any
) -> Callable[[Callable[[Stage, Random], Fault]], Callable[[Stage, Random], Fault]]:
    def add(make: Callable[[Stage, Random], Fault]) -> Callable[[Stage, Random], Fault]:
        KINDS[name] = Kind(name, make, hold, **more)
        return make

    return add


def _one(stage: Stage, chance: Random, *, worker: bool, pool: bool = False) -> Process:
    """A living process, if there is any; `pool` for a worker with processes of its own."""
    found = [each for each in stage.alive(worker=worker) if not pool or each.children()]
    if not found:
        found = [each for each in stage.processes.values() if each.role.worker is worker]
    return chance.choice(sorted(found, key=lambda process: process.name))


# Death


@_kind("kill child")
def _kill_child(stage: Stage, chance: Random) -> Fault:
    worker = _one(stage, chance, worker=True, pool=True)
    pids = sorted(worker.children())
    yield {"harms": [worker.name], "of": worker.name}
    if pids:
        stage.kill_child(worker, chance.choice(pids))
    yield {}


@_kind("kill worker")
def _kill_worker(stage: Stage, chance: Random) -> Fault:
    worker = _one(stage, chance, worker=True)
    group = chance.random() < 0.5
    yield {"harms": [worker.name], "of": worker.name, "with its pool": group}
    stage.kill(worker, group=group)
    yield {}


@_kind("kill caller")
def _kill_caller(stage: Stage, chance: Random) -> Fault:
    caller = _one(stage, chance, worker=False)
    yield {"harms": [caller.name], "of": caller.name}
    stage.kill(caller, group=True)
    yield {}


@_kind("kill redis", (0.5, 2.0), redis=True)
def _kill_redis(stage: Stage, chance: Random) -> Fault:
    yield {}
    stage.servers.primary.kill()
    yield {}
    stage.servers.primary.start()


@_kind("power cut", (0.5, 2.0), redis=True)
def _cut_power(stage: Stage, chance: Random) -> Fault:
    sizes, since = stage.servers.log_size(), time.monotonic()
    time.sleep(chance.uniform(0.5, 1.0))  # what everysec may lose
    yield {"loses since": since}
    stage.servers.primary.kill()
    stage.journal.write("lost", bytes=stage.servers.lose_since(sizes))
    yield {}
    stage.servers.primary.start()


@_kind("restart empty", (0.5, 2.0), redis=True)
def _restart_empty(stage: Stage, chance: Random) -> Fault:
    yield {"loses since": 0.0}
    stage.servers.primary.kill()
    stage.servers.empty()
    yield {}
    stage.servers.primary.start()


@_kind("failover", (0.2, 1.0), redis=True)
def _fail_over(stage: Stage, chance: Random) -> Fault:
    stage.servers.wait_until_in_step()
    # What replication is behind, and loses.
    stage.servers.link.swallow()
    since = time.monotonic()
    time.sleep(chance.uniform(0.0, 0.5))
    yield {"loses since": since}
    stage.servers.primary.kill()
    yield {}
    stage.servers.promote()
    stage.network.lead_to(stage.servers.primary.port)
    stage.servers.follow()


# Pauses


@_kind("pause worker", _OUTLASTING)
def _pause_worker(stage: Stage, chance: Random) -> Fault:
    yield from _pause(_one(stage, chance, worker=True))


@_kind("pause caller", _OUTLASTING)
def _pause_caller(stage: Stage, chance: Random) -> Fault:
    yield from _pause(_one(stage, chance, worker=False))


def _pause(process: Process) -> Fault:
    yield {"harms": [process.name], "of": process.name}
    process.signal(signal.SIGSTOP)
    yield {}
    process.signal(signal.SIGCONT)


@_kind("pause child", _OUTLASTING)
def _pause_child(stage: Stage, chance: Random) -> Fault:
    worker = _one(stage, chance, worker=True, pool=True)
    pids = sorted(worker.children())
    yield {"harms": [worker.name], "of": worker.name}
    with contextlib.suppress(ProcessLookupError, IndexError):
        pid = chance.choice(pids)
        os.kill(pid, signal.SIGSTOP)
        yield {}
        os.kill(pid, signal.SIGCONT)
        return
    yield {}


@_kind("pause redis", _OUTLASTING, redis=True)
def _pause_redis(stage: Stage, chance: Random) -> Fault:
    yield {}
    stage.servers.primary.pause()
    yield {}
    stage.servers.primary.resume()


# A Redis that refuses


@_kind("read-only", (1.0, 3.0), redis=True)
def _demote(stage: Stage, chance: Random) -> Fault:
    """Redis changes places with its replica, and all go on to talk to the old one."""
    stage.servers.wait_until_in_step()
    yield {}
    stage.servers.change_places()
    yield {}
    stage.network.lead_to(stage.servers.primary.port)
    # Behind a name in the DNS connections stay, and must be left.
    if chance.random() < 0.5:
        stage.network.cut()
    stage.servers.follow()


@_kind("out of memory", (1.0, 3.0), redis=True)
def _fill_memory(stage: Stage, chance: Random) -> Fault:
    yield {}
    stage.servers.fill_memory()
    yield {}
    stage.servers.free_memory()


@_kind("disk full", (2.0, 4.0), redis=True)
def _fill_disk(stage: Stage, chance: Random) -> Fault:
    yield {}
    stage.servers.fill_disk()
    yield {}
    stage.servers.free_disk()


@_kind("script flush")
def _flush_scripts(stage: Stage, chance: Random) -> Fault:
    yield {}
    with contextlib.suppress(redis.RedisError):
        stage.servers.primary.client().script_flush()
    yield {}


@_kind("script busy", (1.5, 4.0), redis=True)
def _be_busy(stage: Stage, chance: Random) -> Fault:
    yield {}
    stage.servers.be_busy(chance.uniform(1.5, 4.0))
    yield {}


# The network


def _any(stage: Stage, chance: Random) -> Process:
    return _one(stage, chance, worker=chance.random() < 0.5)


@_kind("cut")
def _cut(stage: Stage, chance: Random) -> Fault:
    """All connections of one process."""
    process = _any(stage, chance)
    yield {"harms": [process.name], "of": process.name}
    stage.roads[process.role.name].cut()
    yield {}


@_kind("delay", (2.0, 4.0))
def _delay(stage: Stage, chance: Random) -> Fault:
    process = _any(stage, chance)
    road = stage.roads[process.role.name]
    delay = round(chance.uniform(0.05, 0.6), 2)
    yield {"harms": [process.name], "of": process.name, "seconds": delay}
    road.delay = delay
    yield {}
    road.mend()


@_kind("partition", _OUTLASTING)
def _swallow(stage: Stage, chance: Random) -> Fault:
    process = _any(stage, chance)
    road = stage.roads[process.role.name]
    yield {"harms": [process.name], "of": process.name}
    road.swallow()
    yield {}
    road.mend()


@_kind("lost replies", (1.0, 2.0))
def _lose_replies(stage: Stage, chance: Random) -> Fault:
    """What was sent has been done, and nobody hears of it."""
    process = _any(stage, chance)
    road = stage.roads[process.role.name]
    yield {"harms": [process.name], "of": process.name}
    road.lose_replies()
    yield {}
    road.mend()


# Clocks


@_kind("clock of a worker", (2.0, 4.0), needs=clocks.missing)
def _jump_worker(stage: Stage, chance: Random) -> Fault:
    yield from _jump(stage, chance, worker=True)


@_kind("clock of a caller", (2.0, 4.0), needs=clocks.missing)
def _jump_caller(stage: Stage, chance: Random) -> Fault:
    yield from _jump(stage, chance, worker=False)


def _jump(stage: Stage, chance: Random, *, worker: bool) -> Fault:
    role = next(each.role.name for each in stage.processes.values() if each.role.clock and each.role.worker is worker)
    offset = chance.choice(_JUMPS)
    yield {"of": role, "seconds": offset}
    clocks.jump(stage.clock_file(role), offset)
    yield {}
    clocks.jump(stage.clock_file(role), 0)
