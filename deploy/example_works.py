"""The works of the example fleet. Put a module of your own in their place and name it in ASKFIRST_IMPORTS."""

from askfirst import WorkContext, work


@work(name="example.count_primes", timeout="30s")
def count_primes(below: int) -> int:
    """How many primes there are below that number."""
    if below < 3:
        return 0
    sieve = bytearray([1]) * below
    sieve[0:2] = b"\0\0"
    for number in range(2, int(below**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, below, number)))
    return sum(sieve)


@work(name="example.wait", timeout="60s")
def wait(ctx: WorkContext, seconds: float) -> float:
    """Waits, and stops at once when nobody is interested any more."""
    ctx.sleep(seconds)
    return seconds


@work(name="example.divide", timeout="30s")
def divide(dividend: float, divisor: float) -> float:
    """The quotient; a ZeroDivisionError travels to the caller."""
    return dividend / divisor
