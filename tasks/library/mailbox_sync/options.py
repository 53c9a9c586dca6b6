"""What a sync is asked to do and what it answers: the validated options, the report, the context it runs in."""

import logging
from contextlib import AbstractContextManager
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

Name = Annotated[str, Field(min_length=1)]
# What is in flight when a worker is killed is fetched again: keep it small.
Batch = Annotated[int, Field(ge=1, le=1_000)]

DEFAULT_BATCH = 100

# How many problems a report names; it counts all of them.
LISTED_PROBLEMS = 100


class Limit(Protocol):
    """The time of one operation."""

    def remaining(self) -> float:
        """Seconds until the operation's or the work's time is over."""

    def check(self) -> None:
        """Raise when the operation's time is over, or nobody wants the sync any more."""


class SyncContext(Protocol):
    """What a sync needs of its WorkContext."""

    @property
    def log(self) -> "logging.LoggerAdapter[logging.Logger]":
        """Where to log."""

    def check(self) -> None:
        """Raise when nobody wants the sync any more."""

    def remaining(self) -> float:
        """Seconds until the deadline."""

    def sleep(self, seconds: float) -> None:
        """Sleep, but only as long as somebody wants the sync."""

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Tell the callers how far the sync has come."""

    def limit(self, seconds: float, /) -> AbstractContextManager[Limit]:
        """Give one operation a time of its own."""


class Problem(BaseModel):
    """Something the sync couldn't read as it should be; `uid` is None where it is about a whole folder."""

    folder: str
    uid: int | None
    problem: str


class SyncReport(BaseModel):
    """What a sync did."""

    source: str
    folders: int = Field(description="folders in the index")
    messages: int = Field(description="messages in the index")
    added: int
    changed: int = Field(description="messages whose flags changed")
    expunged: int
    unchanged: int
    fetched: int = Field(description="messages whose text was fetched")
    fetched_bytes: int
    malformed: int = Field(description="messages added that are not as they should be")
    problems: list[Problem] = Field(description=f"refused folders, malformed messages; {LISTED_PROBLEMS} at most")
    connections: int = Field(description="how often the server was connected to; 0 for local mailboxes")
    seconds: float
