"""The keeper of an embedded Redis: starts the server, restarts it when it dies, stops it when its last user is gone.

A process of its own, run by path with the standard library alone, so that it starts in a few milliseconds:
`python -I -S keeper.py EXECUTABLE FOLDER SOCKET`. It writes `ready` to its output, or what went wrong, and closes it.

Three files are locked, and the kernel releases the locks of whoever dies:

- `users.lock`, shared, by every process that uses the server. Whoever gets it exclusively knows that nobody does.
- `server.lock`, exclusively, by the keeper and, inherited, by the server: two servers never write one folder.
- `start.lock`, exclusively, by a user while it starts a keeper.
"""

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

USERS_LOCK = "users.lock"
START_LOCK = "start.lock"
SERVER_LOCK = "server.lock"
LOG = "redis.log"
READY = "ready"

_LARGEST_LOG = 2**20
_TICK_UNTIL_READY = 0.01
_TICK = 0.25
_STOP_TIMEOUT = 10.0
_LOCK_TIMEOUT = 30.0
_RESTARTS_IN_A_ROW = 10
_LONGEST_BACKOFF = 5.0
_HEALTHY_AFTER = 30.0
_PR_SET_PDEATHSIG = 1


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, which is made if missing; closed on exec, kept by forked children."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, operation: int) -> bool:
    """Whether the lock (`fcntl.LOCK_SH` or `LOCK_EX`) was free and is now held; never waits."""
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def answers(address: Path, timeout: float = 1.0) -> bool:
    """Whether a Redis listens on this socket and has loaded its data."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(address))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


class Keeper:
    """Starts, watches and stops one server."""

    def __init__(self, executable: Path, folder: Path, address: Path) -> None:
        """Take the locks' descriptors; nothing is started yet."""
        self._executable = executable
        self._folder = folder
        self._address = address
        self._users = open_lock(folder / USERS_LOCK)
        self._server = open_lock(folder / SERVER_LOCK)
        # An orphaned server must keep its folder locked until it is gone.
        os.set_inheritable(self._server, True)
        self._log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._waker = _wake_on_signals()
        self._libc = ctypes.CDLL(None)
        self._pid = 0
        self._started_at = 0.0
        self._announced = False
        self._asked_to_stop = False
        self._deaths_in_a_row = 0

    def run(self) -> int:
        """Keep the server until its last user is gone or a signal says so; the exit status."""
        if not self._take_folder():
            return 1
        if self._announced:
            return 0
        self._start()
        while True:
            self._wait(_TICK if self._announced else _TICK_UNTIL_READY)
            if self._replaced():
                # Whoever made the folder anew has a server of its own: ours must not touch its files or socket.
                self._stop(signal.SIGKILL)
                return 0
            if self._asked_to_stop or try_lock(self._users, fcntl.LOCK_EX):
                self._stop(signal.SIGTERM)
                self._address.unlink(missing_ok=True)
                return 0
            if not self._is_alive() and not self._restart():
                return 1
            if not self._announced and answers(self._address):
                self._announce(READY)

    def _take_folder(self) -> bool:
        """Lock the folder, or find that another keeper's server answers after all."""
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while not try_lock(self._server, fcntl.LOCK_EX):
            # The last server is still dying, or its keeper is just restarting it.
            if answers(self._address):
                self._announce(READY)
                return True
            if time.monotonic() > deadline:
                self._announce(f"another server holds {self._folder} without answering for {_LOCK_TIMEOUT:g} s")
                return False
            self._wait(_TICK_UNTIL_READY)
        return True

    def _start(self) -> None:
        self._started_at = time.monotonic()
        keeper = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                if sys.platform == "linux":
                    # Follows the death of the thread that forked: this process has only the one.
                    self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                if os.getppid() != keeper:
                    os._exit(1)  # it died before that took effect
                os.dup2(self._log, 1)
                os.dup2(self._log, 2)
                os.execv(self._executable, self._command())
            except OSError as error:
                self._note(f"{self._executable} can't be run: {error}")
            finally:
                os._exit(127)

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._address),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(self._folder / LOG),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        return [str(self._executable), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _is_alive(self) -> bool:
        if self._pid and os.waitpid(self._pid, os.WNOHANG) != (0, 0):
            self._pid = 0
        return self._pid != 0

    def _restart(self) -> bool:
        """Start the dead server again, after a while if it dies again and again; False when that is hopeless."""
        if not self._announced:
            self._announce("it ended at once")
            return False
        lived = time.monotonic() - self._started_at
        self._deaths_in_a_row = 1 if lived > _HEALTHY_AFTER else self._deaths_in_a_row + 1
        if self._deaths_in_a_row > _RESTARTS_IN_A_ROW:
            self._note(f"gave up after {_RESTARTS_IN_A_ROW} restarts in a row")
            return False
        self._note(f"the server ended after {lived:.1f} s: starting it again")
        self._wait(min(_LONGEST_BACKOFF, 0.05 * 2 ** (self._deaths_in_a_row - 1)))
        self._start()
        return True

    def _stop(self, how: signal.Signals) -> None:
        if not self._is_alive():
            return
        os.kill(self._pid, how)
        deadline = time.monotonic() + _STOP_TIMEOUT
        while self._is_alive():
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            self._wait(_TICK)

    def _replaced(self) -> bool:
        try:
            return not os.path.samestat(os.stat(self._folder / USERS_LOCK), os.fstat(self._users))
        except FileNotFoundError:
            return True

    def _wait(self, duration: float) -> None:
        """Sleep, at most until a signal comes."""
        if select.select([self._waker], [], [], duration)[0]:
            self._asked_to_stop |= signal.SIGTERM in os.read(self._waker, 64)

    def _announce(self, text: str) -> None:
        self._announced = True
        with contextlib.suppress(BrokenPipeError):  # the starter was killed: the users' lock says who else is there
            os.write(1, text.encode())
        # The starter waits for the end of our output.
        os.dup2(self._log, 1)
        os.dup2(self._log, 2)

    def _note(self, text: str) -> None:
        os.write(self._log, f"{os.getpid()}:keeper {time.strftime('%d %b %Y %H:%M:%S')} {text}\n".encode())


def _wake_on_signals() -> int:
    """A descriptor that gets readable when a child ends or somebody asks us to stop.

    A signal between "nothing to do" and the sleep would be slept over otherwise.
    """
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return reader


def _main(executable: str, folder: str, address: str) -> int:
    os.umask(0o077)
    os.chdir(folder)
    # The starter waits for us only: the keeper itself is nobody's child, so nobody has to reap it.
    if os.fork():
        return 0
    log = Path(folder, LOG)
    if log.is_file() and log.stat().st_size > _LARGEST_LOG:
        log.replace(log.with_suffix(".old.log"))
    return Keeper(Path(executable), Path(folder), Path(address)).run()


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
