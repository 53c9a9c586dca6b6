"""Last calls of a process that `multiprocessing` has started."""

import subprocess
import sys

TWO = """
import multiprocessing, os
from askfirst.waiters.exiting import at_exit

def child():
    for _ in range(2):
        at_exit(lambda: os.write(1, b"called\\n"))  # in one write: the two don't mix

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(10)
process.kill()
process.join()
print(process.exitcode)
"""


def test_two_last_calls_do_not_wait_for_each_other() -> None:
    said = subprocess.run([sys.executable, "-c", TWO], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["called", "called", "0"]
