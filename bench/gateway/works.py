"""What the gateway is asked for while it is measured."""

import time

from askfirst import WorkContext, work


@work(name="bench.hold", timeout=600)
def hold(ctx: WorkContext, seconds: float = 600.0) -> None:
    """Takes the only slot, so that all others wait."""
    ctx.sleep(seconds)


@work(name="bench.now", timeout=600)
def now() -> float:
    """Nothing."""
    return time.time()
