"""Last calls of a process that `multiprocessing` has started."""

import subprocess
import sys

TWO = """
import multiprocessing, threading
from askfirst.waiters.exiting import at_exit

def child():
    made = threading.Event()
    at_exit(made.set)
    at_exit(made.wait)  # the later one is made first

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(10)
process.kill()
process.join()
print(process.exitcode)
"""


def test_two_last_calls_do_not_wait_for_each_other() -> None:
    assert subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True, check=True).stdout == "0\n"
