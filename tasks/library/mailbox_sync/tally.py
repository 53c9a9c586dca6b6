"""What a sync has done so far, over all its connections: for the progress, and for the report."""

from collections.abc import Mapping

from .options import LISTED_PROBLEMS, Problem, SyncContext
from .summary import Summary


class Tally:
    """Counts. `before` is how many messages were in the index."""

    def __init__(self, ctx: SyncContext, before: int) -> None:
        self._ctx = ctx
        self._before = before
        self._expected: dict[str, int] = {}
        self._reached: dict[str, int] = {}
        # By folder: after a lost connection the same ones are met again.
        self._refused: dict[str, Problem] = {}
        self._malformed: list[Problem] = []
        self.added = 0
        self.changed = 0
        self.expunged = 0
        self.fetched = 0
        self.fetched_bytes = 0
        self.malformed = 0
        self.connections = 0

    @property
    def unchanged(self) -> int:
        """How many messages were in the index before and are there as they were."""
        return max(self._before - self.expunged - self.changed, 0)

    @property
    def steps(self) -> int:
        """Grows with all that gets done."""
        return self.added + self.changed + self.expunged

    @property
    def problems(self) -> list[Problem]:
        """Those of folders, and the first ones of messages."""
        return [*self._refused.values(), *self._malformed][:LISTED_PROBLEMS]

    def expect(self, messages: Mapping[str, int]) -> None:
        """Takes note of how many messages folders have."""
        self._expected.update(messages)

    def reach(self, folder: str, messages: int) -> None:
        """Tells the callers how many messages of a folder are in the index."""
        self._reached[folder] = messages
        self.tell(f"{folder}: {messages:,} of {self._expected[folder]:,} messages")

    def tell(self, note: str) -> None:
        """Tells the callers how far all of it is, with a note."""
        self._ctx.progress(sum(self._reached.values()), sum(self._expected.values()) or None, note)

    def add(self, folder: str, uid: int, summary: Summary, fetched_bytes: int | None) -> None:
        """Counts a message that is new in the index; None if its text couldn't be fetched."""
        self.added += 1
        if fetched_bytes is not None:
            self.fetched += 1
            self.fetched_bytes += fetched_bytes
        if summary.problems:
            self.malformed += 1
            if self.malformed <= LISTED_PROBLEMS:
                self._malformed.append(Problem(folder=folder, uid=uid, problem="; ".join(summary.problems)))

    def refuse(self, folder: str, why: str) -> None:
        """Takes note of a folder that can't be synchronised."""
        self._refused[folder] = Problem(folder=folder, uid=None, problem=why)
