"""What `askfirst bench` runs: nothing, so that all that is measured is the way there and back."""

from __future__ import annotations

from askfirst import work


@work(name="askfirst.bench.nothing", timeout=300)
def nothing(number: int) -> int:
    """Returns its argument."""
    return number
