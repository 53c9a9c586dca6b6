"""A work type as a Celery task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery import Task

from ..tasks import registry
from ..tasks.definition import WorkType
from .running import Run, run_plainly, run_work
from .runtime import runtime_of


class WorkTask(Task):  # type: ignore[misc]  # celery is untyped
    """An ordinary Celery task with its own name, whose requests ask first."""

    Request = "askfirst.workers.request:AskingRequest"
    abstract = True
    # The message is done with when the run is: until then it counts against the prefetch limit.
    acks_late = True
    declared: WorkType

    @property
    def work_type(self) -> WorkType:
        """What `@work` declared last under this name."""
        return registry.find(self.name) or self.declared

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the work if it was asked for through askfirst, else the plain function."""
        request = self.request
        if request.called_directly:
            return self.run(*args, **kwargs)
        claim = getattr(request, "askfirst_claim", None)
        if claim is None:
            arguments = dict(zip(self.work_type.carrier.parameters, args, strict=False)) | kwargs
            return run_plainly(runtime_of(self.app), self.work_type, request.id, arguments)
        nominal = request.askfirst.get("nominal")
        run = Run(
            id=request.id,
            key=request.askfirst.get("key") or None,
            interest=str(request.askfirst.get("interest", "")),
            retention=float(request.askfirst.get("retention", 0.0)),
            fence=claim["fence"],
            deadline_at=claim["deadline_at"],
            failures=claim["failures"],
            nominal_time=datetime.fromtimestamp(nominal / 1000, UTC) if nominal is not None else None,
        )
        return run_work(runtime_of(self.app), self.work_type, run, kwargs)
