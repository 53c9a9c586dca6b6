"""Runs a command that gets SIGTERM when its parent dies, however that dies.

Run by path with the standard library alone, so that it costs a few milliseconds:
`python -I -S tether.py PARENT COMMAND...`, where PARENT is the process id of the parent.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _main(parent: str, *command: str) -> None:
    if sys.platform == "linux":
        # Kept over exec. It follows the thread that started us: the parent must do that in its main thread.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)  # it died before that took effect
    os.execv(command[0], command)


if __name__ == "__main__":
    _main(*sys.argv[1:])
