"""What an application does with the fleet: hand over works, use the answers, survive the ones that do not come.

Exits 0 if everything went as it should.
"""

# ruff: noqa: T201  # a program for a terminal

from concurrent.futures import Future, as_completed

from example_works import count_primes, divide, wait

from askfirst import WorkFailed, WorkTimeout, submit_many, submit_work

PRIMES = {100: 25, 10_000: 1_229, 1_000_000: 78_498, 2_000_000: 148_933}


def main() -> None:
    """Asks for answers, for a failure and for the impossible; prints what comes."""
    many()
    failing()
    too_late()
    print("the fleet works")


def many() -> None:
    """Many works at once, each used as soon as it is there."""
    waiters = submit_many(count_primes, [{"below": below} for below in PRIMES], timeout="60s")
    wanted: dict[Future[int], tuple[int, int]] = dict(zip(waiters, PRIMES.items(), strict=True))
    for waiter in as_completed(wanted):
        below, right = wanted[waiter]
        print(f"primes below {below:,}: {waiter.result():,}")
        assert waiter.result() == right


def failing() -> None:
    """An error in the work is an error here, with the worker's own traceback."""
    try:
        submit_work(divide, dividend=1, divisor=0, timeout="30s").result()
    except WorkFailed as error:
        print(f"1 / 0 failed as it must: {error.error_type}: {error.message}")
    else:
        raise AssertionError("expected WorkFailed, got a quotient")


def too_late() -> None:
    """The deadline holds on both sides: this caller goes on, and the worker stops working for nobody."""
    try:
        submit_work(wait, seconds=50, timeout="2s").result()
    except WorkTimeout as error:
        print(f"50 s of work in 2 s is too much, told at the deadline: {error}")
    else:
        raise AssertionError("expected WorkTimeout, got a result")


if __name__ == "__main__":
    main()
