"""The figures of `top` as metrics, by the conventions of Prometheus: base units, totals that only grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from .figures import Figures
from .screen import held_in

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from askfirst.interest.activity import TypeActivity, WorkerActivity
    from askfirst.interest.limits import LimitInUse
    from askfirst.interest.load import LaneLoad

#: Writes metrics in one of the formats of Prometheus.
Encoder: TypeAlias = "Callable[[Collector], bytes]"
#: The values of a metric's labels, and its own.
Sample: TypeAlias = tuple[Sequence[str], float]

_LIMITED: Final = ("lane", "work_type", "partition")


def encode(figures: Figures, encoder: Encoder = generate_latest) -> bytes:
    """The figures in Prometheus's text format, or in another one."""
    return encoder(_Look(figures))


class _Look:
    """One look, as the library wants it."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All metrics; those of which there is nothing now are left out."""
        figures = self._figures
        held = {load.lane: held_in(figures, load.lane) for load in figures.lanes}
        families = (
            *_work_of(figures.lanes, held),
            *_ends_of(figures.lanes),
            *_types(figures.types),
            *_limits(figures.limits),
            *_workers(figures.workers),
        )
        return (family for family in families if family.samples)


def _gauge(name: str, help: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    return _filled(GaugeMetricFamily(f"askfirst_{name}", help, labels=labels), samples)


def _counter(name: str, help: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    return _filled(CounterMetricFamily(f"askfirst_{name}", help, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _work_of(lanes: Sequence[LaneLoad], held: Mapping[str, int]) -> Iterator[Metric]:
    by_importance = [(load.lane, name, each) for load in lanes for name, each in load.waiting.items()]
    labels = ("lane", "importance")
    yield _gauge(
        "works_pending",
        "Works whose message waits for a worker.",
        labels,
        (((lane, name), each.works) for lane, name, each in by_importance),
    )
    yield _gauge(
        "pending_run_seconds",
        "How long those works are expected to run, all together.",
        labels,
        (((lane, name), each.run_time) for lane, name, each in by_importance),
    )
    yield _gauge(
        "foreseen_wait_seconds",
        "How long one more work would wait for a slot. Absent where no worker is heard.",
        labels,
        (((lane, name), each.foreseen_wait) for lane, name, each in by_importance if each.foreseen_wait is not None),
    )
    yield _gauge("works_running", "Works that run.", ("lane",), (((load.lane,), load.running) for load in lanes))
    yield _gauge(
        "works_held", "Works that wait for a limit.", ("lane",), (((lane,), count) for lane, count in held.items())
    )
    yield _gauge(
        "slots",
        "Works that the workers of the lane can run at once.",
        ("lane",),
        (((load.lane,), load.slots) for load in lanes),
    )
    yield _gauge(
        "messages_dead",
        "Messages in the queue whose works have ended. Absent where the queue is not in the ledger's Redis.",
        ("lane",),
        (((load.lane,), load.dead) for load in lanes if load.dead is not None),
    )


def _ends_of(lanes: Sequence[LaneLoad]) -> Iterator[Metric]:
    yield _counter(
        "works_ended",
        "Works that ended.",
        ("lane", "state", "reason"),
        (
            ((load.lane, *_state_and_reason(what)), count)
            for load in lanes
            for what, count in sorted(load.ended.items())
        ),
    )
    yield _counter(
        "works_rejected",
        "Works that were refused at the door.",
        ("lane", "reason"),
        (((load.lane, reason), count) for load in lanes for reason, count in sorted(load.rejected.items())),
    )
    yield _counter(
        "messages_set_aside",
        "Messages that no worker could run.",
        ("lane", "reason"),
        (((load.lane, reason), count) for load in lanes for reason, count in sorted(load.aside.items())),
    )
    yield _counter(
        "run_seconds",
        "How long runs took: useful are those whose answer came while somebody could take it.",
        ("lane", "outcome"),
        (
            ((load.lane, outcome), value)
            for load in lanes
            for outcome, value in (("useful", load.useful), ("wasted", load.wasted))
        ),
    )
    yield _counter(
        "runs_overstayed",
        "Runs that ignored their token and could not be killed.",
        ("lane",),
        (((load.lane,), load.overstayed) for load in lanes),
    )


def _types(types: Sequence[TypeActivity]) -> Iterator[Metric]:
    labels = ("lane", "work_type")
    yield _gauge("runs", "Runs of a work type.", labels, (((each.lane, each.name), each.running) for each in types))
    yield _gauge(
        "expected_run_seconds",
        "How long a run is expected to take, as learned or declared.",
        labels,
        (((each.lane, each.name), each.expected) for each in types if each.expected is not None),
    )


def _limits(rows: Sequence[LimitInUse]) -> Iterator[Metric]:
    from askfirst.interest.standing import in_force

    labelled = [((row.lane, row.name, row.partition or ""), row, in_force(row)) for row in rows]
    yield _gauge(
        "limit_max_concurrent",
        "Runs at once that are allowed. Absent where there is no such limit.",
        _LIMITED,
        ((labels, limit.max_concurrent) for labels, _, limit in labelled if limit.max_concurrent is not None),
    )
    yield _gauge(
        "limit_starts_per_second",
        "Starts per second that are allowed. Absent where there is no such limit.",
        _LIMITED,
        ((labels, limit.rate.count / limit.rate.period) for labels, _, limit in labelled if limit.rate is not None),
    )
    yield _gauge(
        "limit_running",
        "Works that run under the limit, or are about to; of a type with partitions, all together.",
        _LIMITED,
        ((labels, row.running) for labels, row, _ in labelled),
    )
    yield _gauge(
        "limit_held",
        "Works that wait for the limit; of a type with partitions, all together.",
        _LIMITED,
        ((labels, row.held) for labels, row, _ in labelled),
    )


def _workers(workers: Sequence[WorkerActivity]) -> Iterator[Metric]:
    labels = ("lane", "worker")
    yield _gauge(
        "worker_slots",
        "Works of the lane that the worker can run at once.",
        labels,
        (((each.lane, each.name), each.slots) for each in workers),
    )
    yield _gauge(
        "worker_runs",
        "Works of the lane that it runs.",
        labels,
        (((each.lane, each.name), each.runs) for each in workers),
    )
    yield _gauge(
        "worker_last_heard_seconds",
        "Seconds since it was last heard; it beats every second.",
        labels,
        (((each.lane, each.name), each.silence) for each in workers),
    )


def _state_and_reason(what: str) -> tuple[str, str]:
    state, _, reason = what.partition(": ")
    return state, reason
