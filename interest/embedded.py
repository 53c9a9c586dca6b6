"""A private Redis for whoever has configured none: persistent, one per data folder, stopped with its last user.

Every process that uses it holds a shared lock on the folder for its life; a keeper process (keeper.py, which tells of
the locks) starts the server, restarts it, and stops it when the lock gets free. Nothing has to be told to anybody:
the kernel releases the lock of a process that is killed, and forked children inherit it.
"""

import fcntl
import hashlib
import os
import select
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import redis

from . import keeper
from .server import EmbeddedRedisError, ServerExecutable, find_server
from .url import broker_url_for

__all__ = ["EmbeddedRedis", "EmbeddedRedisError", "embedded_redis", "running_url"]

_START_TIMEOUT = 60.0
_JOIN_TIMEOUT = 20.0  # more than a keeper takes to stop its server
_STARTS = 3
_POLL = 0.01
# sockaddr_un has 108 bytes, and Redis cuts a longer path silently.
_LONGEST_SOCKET_PATH = 100
# Not tempfile.gettempdir(): users with different TMPDIR must find the same socket.
_SHORT_FOLDER = Path("/tmp")
_LOG_LINES_TOLD = 3


class EmbeddedRedis:
    """One process's use of the server of a data folder, until `release` or the end of the process."""

    def __init__(self, data_dir: Path) -> None:
        """Join the users of the folder, which is made if missing, and see that the server runs."""
        self._folder = _private((data_dir / "redis").resolve())
        self._socket = _socket_path(self._folder)
        self._users: int | None = _joined(self._folder)
        try:
            self.ensure_running()
        except BaseException:
            self.release()
            raise

    @property
    def url(self) -> str:
        """The URL for redis-py."""
        return f"unix://{quote(str(self._socket))}?db=0"

    @property
    def broker_url(self) -> str:
        """The URL for kombu and Celery."""
        return broker_url_for(self.url)

    @property
    def pid(self) -> int:
        """The process id of the server that runs now.

        Raises EmbeddedRedisError when none answers.
        """
        try:
            with redis.Redis(unix_socket_path=str(self._socket)) as client:
                return int(client.info("server")["process_id"])
        except redis.RedisError as error:
            raise EmbeddedRedisError(f"the embedded Redis of {self._folder} does not answer: {error}") from error

    def ensure_running(self) -> None:
        """See that the server answers, and start it if it does not, because its keeper was killed.

        Costs one PING when it does. Raises EmbeddedRedisError when it can't be started.
        """
        if keeper.answers(self._socket):
            return
        deadline = time.monotonic() + _START_TIMEOUT
        start = _opened(self._folder / keeper.START_LOCK)
        try:
            while not keeper.try_lock(start, fcntl.LOCK_EX):
                if keeper.answers(self._socket):
                    return  # another process has started it meanwhile
                _check(deadline, f"another process to start the Redis of {self._folder}")
                time.sleep(_POLL)
            if not keeper.answers(self._socket):
                self._start_keeper(deadline)
        finally:
            os.close(start)

    def release(self) -> None:
        """End this process's use; the server stops if nobody else uses it. Safe to call again."""
        with _lock:
            if _in_use.get(self._folder) is self:
                del _in_use[self._folder]
            if self._users is not None:
                # Closed, not unlocked: a forked process shares the lock and may still need it.
                os.close(self._users)
                self._users = None

    def _start_keeper(self, deadline: float) -> None:
        if self._socket.exists() and not self._socket.is_socket():
            # Redis would remove it without asking.
            raise EmbeddedRedisError(f"expected {self._socket} to be a Redis's socket, got another file: move it away")
        server = self._server_for_the_data()
        said = ""
        for _ in range(_STARTS):
            said = self._spawn(server, deadline)
            if said == keeper.READY:
                return
            if said:
                break
        reason = said.strip().rpartition("\n")[2] or "its keeper was killed"
        raise EmbeddedRedisError(f"the embedded Redis could not be started: {reason}{self._end_of_log()}")

    def _spawn(self, server: ServerExecutable, deadline: float) -> str:
        """Start a keeper; what it said, which is nothing if it was killed at once."""
        # Without -S a virtual environment's .pth files would cost more than all the rest.
        python = [sys.executable, "-I", "-S", keeper.__file__]
        with subprocess.Popen(
            [*python, str(server.path), str(self._folder), str(self._socket)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            return self._read_to_end(process.stdout.fileno(), deadline)

    def _server_for_the_data(self) -> ServerExecutable:
        if not (self._folder / "appendonlydir").exists():
            return find_server()
        try:
            # An older server would not see the data, and start empty beside them.
            return find_server((7, 0))
        except EmbeddedRedisError as error:
            raise EmbeddedRedisError(f"the data in {self._folder} are of Redis 7 or newer: {error}") from error

    def _read_to_end(self, pipe: int, deadline: float) -> str:
        said = b""
        while True:
            if select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                part = os.read(pipe, 4096)
                if not part:
                    return said.decode(errors="replace")
                said += part
            _check(deadline, f"the Redis of {self._folder} to load its data{self._end_of_log()}")

    def _end_of_log(self) -> str:
        log = self._folder / keeper.LOG
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        if not lines:
            return f"; {log} is empty: is the disk full?"
        return f"; {log} ends: {' | '.join(lines[-_LOG_LINES_TOLD:])}"


_lock = threading.RLock()
_in_use: dict[Path, EmbeddedRedis] = {}


def embedded_redis(data_dir: Path) -> EmbeddedRedis:
    """The Redis of this data folder, started if need be; every call of one process gets the same object.

    Raises EmbeddedRedisError when there is no server to start, or it can't be started; the text says why.
    """
    with _lock:
        used = _in_use.get((data_dir / "redis").resolve())
        if used is None:
            used = EmbeddedRedis(data_dir)
            _in_use[used._folder] = used
        else:
            used.ensure_running()
        return used


def running_url(data_dir: Path) -> str | None:
    """The URL of this data folder's Redis if it runs, without starting it or writing anything; else None."""
    folder = (data_dir / "redis").resolve()
    path = _socket_path(folder, make=False)
    return f"unix://{quote(str(path))}?db=0" if keeper.answers(path) else None


def _unlock_after_fork() -> None:
    # Another thread may have held it at the fork, and does not exist in the child.
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_unlock_after_fork)


def _private(folder: Path) -> Path:
    """The folder, ours and closed to others; made if missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            folder.chmod(0o700)
            return folder
    except OSError as error:
        raise EmbeddedRedisError(f"expected {folder} to be a folder we can make and write to, got: {error}") from error
    raise EmbeddedRedisError(
        f"expected {folder} to be a folder of user {os.geteuid()},"
        f" got {stat.filemode(found.st_mode)} of user {found.st_uid}"
    )


def _socket_path(folder: Path, *, make: bool = True) -> Path:
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    short = _SHORT_FOLDER / f"askfirst-{os.geteuid()}"
    return (_private(short) if make else short) / f"{digest}.sock"


def _joined(folder: Path) -> int:
    """A descriptor that holds the users' lock; waits for a keeper that is just stopping its server."""
    deadline = time.monotonic() + _JOIN_TIMEOUT
    users = _opened(folder / keeper.USERS_LOCK)
    try:
        while not keeper.try_lock(users, fcntl.LOCK_SH):
            _check(deadline, f"the Redis of {folder} to stop")
            time.sleep(_POLL)
    except BaseException:
        os.close(users)
        raise
    return users


def _opened(lock: Path) -> int:
    try:
        return keeper.open_lock(lock)
    except OSError as error:
        raise EmbeddedRedisError(f"expected {lock} to be a file we can make and write to, got: {error}") from error


def _check(deadline: float, awaited: str) -> None:
    if time.monotonic() > deadline:
        raise EmbeddedRedisError(f"gave up waiting for {awaited}")
