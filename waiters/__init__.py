"""The caller's side: handing over work, waiting for it, looking after it."""

from .client import configure
from .inspection import cancel, cleanup, counts, status, works
from .submitting import asubmit_work, attach, submit_many, submit_work
from .waiter import WorkWaiter

__all__ = [
    "WorkWaiter",
    "asubmit_work",
    "attach",
    "cancel",
    "cleanup",
    "configure",
    "counts",
    "status",
    "submit_many",
    "submit_work",
    "works",
]
