"""When a server pushes back: wait longer each time, and say so."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from .errors import ServerUnavailable
from .options import SyncContext

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0

# How often a server may fail on the same single message before the message is taken for the reason.
_PATIENCE = 3


class Backoff:
    """Exponential, with jitter ("equal jitter": half of the delay is random), and never past the deadline.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    def __init__(self, ctx: SyncContext, tell: Callable[[str], None]) -> None:
        self._ctx = ctx
        self._tell = tell
        self._failures = 0

    def reset(self) -> None:
        """The sync got on: what failed before is no hint any more."""
        self._failures = 0

    def wait(self, reason: Exception) -> None:
        """Waits before the next try. Raises ServerUnavailable if that would be too late, InterestLost."""
        self._ctx.check()
        longest = min(FIRST_DELAY * 2.0 ** min(self._failures, 30), LONGEST_DELAY)
        delay = random.uniform(longest / 2, longest)
        self._failures += 1
        if delay >= self._ctx.remaining():
            raise ServerUnavailable(f"{reason}; no time is left to try again") from reason
        self._ctx.log.warning("try %d failed: %s; waiting %.1f s", self._failures, reason, delay)
        self._tell(f"waiting {delay:.0f} s: {reason}")
        self._ctx.sleep(delay)


class Pace:
    """How many messages are asked for at once: one after a failure, so that a bad message is found, then ever more."""

    def __init__(self, most: int) -> None:
        self.size = most
        self._most = most
        self._failed: Counter[int] = Counter()

    def succeeded(self) -> None:
        """Takes heart."""
        self.size = min(self.size * 2, self._most)

    def failed(self, uids: Sequence[int]) -> None:
        """Takes note of what was asked for in vain."""
        self.size = 1
        if len(uids) == 1:
            self._failed[uids[0]] += 1

    def hopeless(self, uid: int) -> bool:
        """Whether this message, asked for alone, failed too often."""
        return self._failed[uid] >= _PATIENCE

    def give_up(self, uid: int) -> None:
        """Forgets what failed: in the next folder the UID is another message's."""
        del self._failed[uid]
