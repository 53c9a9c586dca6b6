"""Celery's prefork pool is made to listen to its processes before it forgets, and what it forgets goes back."""

from collections.abc import Callable
from dataclasses import dataclass, field

from askfirst.config import Settings
from askfirst.workers.flushing import flush_in_order
from askfirst.workers.runtime import Claim, Runtime


@dataclass
class Job:
    """A job of the pool, as billiard has it."""

    correlation_id: str
    _write_to: str | None = None
    _accepted: bool = False


@dataclass
class AsynPool:
    """The pool below Celery's: its processes accept what was sent to them at the third time of listening."""

    _cache: dict[int, Job]
    heard: list[str] = field(default_factory=list)

    def process_flush_queues(self, process: str) -> None:
        self.heard.append(process)
        for job in self._cache.values():
            job._accepted |= job._write_to == process and self.heard.count(process) == 3


class Pool:
    def __init__(self, *jobs: Job) -> None:
        self._pool = AsynPool(dict(enumerate(jobs)))

    def flush(self) -> None:
        """As Celery's: what nobody has accepted is forgotten."""
        for number, job in list(self._pool._cache.items()):
            if not job._accepted:
                del self._pool._cache[number]


class PoolThatNeverFlushes:
    flush: Callable[[], None] | None = None


def claims(*ids: str) -> Runtime:
    runtime = Runtime(Settings(), None, own=True)
    for id in ids:
        runtime.add_claim(Claim(id, fence=f"1:{id}", deadline_at=0.0, grace=5.0, kill=lambda: None))
    return runtime


def test_what_was_sent_is_heard_of_before_the_pool_forgets() -> None:
    pool = Pool(Job("a", "process 1"), Job("b", "process 2"), Job("c", "process 3", _accepted=True))
    runtime = claims("a", "b", "c")
    flush_in_order(runtime, pool)
    pool.flush()
    assert [job.correlation_id for job in pool._pool._cache.values()] == ["a", "b", "c"]
    assert set(pool._pool.heard) == {"process 1", "process 2"}
    assert not any(claim.forgotten for claim in runtime.claims())


def test_what_was_not_sent_is_forgotten_and_goes_back() -> None:
    pool = Pool(Job("a"), Job("b", "process 1"))
    runtime = claims("a", "b")
    flush_in_order(runtime, pool)
    pool.flush()
    assert {claim.id: claim.forgotten for claim in runtime.claims()} == {"a": True, "b": False}


def test_jobs_that_are_no_works_are_forgotten_as_ever() -> None:
    pool = Pool(Job("an ordinary task"))
    flush_in_order(claims(), pool)
    pool.flush()
    assert pool._pool._cache == {}


def test_a_pool_without_a_flush_is_left_as_it_is() -> None:
    pool = PoolThatNeverFlushes()
    flush_in_order(claims(), pool)
    assert pool.flush is None
