"""What a sync has done so far, over all its connections: for the progress, and for the report."""

from collections import Counter
from collections.abc import Mapping

from .mailboxes import Described
from .options import LISTED_PROBLEMS, Problem, SyncContext
from .summary import Summary


class Tally:
    """Counts."""

    def __init__(self, ctx: SyncContext, before: int) -> None:
        self._ctx = ctx
        self._before = before
        self._expected: dict[str, int] = {}
        self._reached: dict[str, int] = {}
        self._added: Counter[str] = Counter()
        self.changed = 0
        self.expunged = 0
        self.fetched = 0
        self.fetched_bytes = 0
        self.malformed = 0
        self.connections = 0
        self.problems: dict[tuple[str, int | None], Problem] = {}

    @property
    def unchanged(self) -> int:
        """Messages that were in the index before, and are there as they were."""
        return max(self._before - self.expunged - self.changed, 0)

    @property
    def added(self) -> int:
        """Messages that are new in the index."""
        return self._added.total()

    @property
    def steps(self) -> int:
        """Grows with whatever is done."""
        return self.added + self.changed + self.expunged

    def expect(self, messages: Mapping[str, int]) -> None:
        """Takes note of how many messages folders have."""
        self._expected.update(messages)

    def reached(self, folder: str, messages: int) -> None:
        """Tells the callers how many messages of a folder are in the index."""
        self._reached[folder] = messages
        expected = self._expected[folder]
        note = f"{folder}: {messages:,} of {expected:,} messages"
        self._ctx.progress(sum(self._reached.values()), sum(self._expected.values()), note)
