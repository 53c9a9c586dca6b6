"""However a sync is interrupted, the next one goes on: the index ends equal, and nothing is fetched twice."""

import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.mailbox_sync import IndexFileError, connection, server
from tests.tasks.library.test_mailbox_sync.conftest import LARGE, SMALL, interrupted_at
from tests.tasks.library.test_mailbox_sync.proxy import Fate


def test_cancelled_again_and_again(new_account, sync, proxy, index):
    account = new_account(LARGE)
    for done in range(200, LARGE, 400):
        with pytest.raises(InterestLost):
            sync(account.url(port=proxy.port), interrupted_at(done))
        assert done <= len(index.uids()) < done + 200
    sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()
    assert set(proxy.delivered.values()) == {1}


def test_cancelled_in_the_middle_of_a_message(account, sync, proxy, index):
    """The server stops talking: the sync learns of the cancel while it waits, and what came whole is kept."""
    token = Token()

    def fate(number: int, uid: int) -> Fate:
        if number == 150:
            threading.Timer(0.1, token.trip, ["enough"]).start()
            return Fate.SILENCE
        return Fate.PASS

    proxy.fate = fate
    started = time.monotonic()
    with pytest.raises(InterestLost):
        sync(account.url(port=proxy.port), WorkContext(timeout=60, token=token))
    assert time.monotonic() - started < 3
    assert len(index.uids()) == 149
    proxy.fate = lambda number, uid: Fate.PASS
    sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()
    assert set(proxy.delivered.values()) == {1}


def test_what_came_before_the_cancel_is_taken_however_late_it_is_looked_at() -> None:
    token = Token()

    class Sleepy(socket.socket):
        """Finds nothing, and wakes up only after the rest has come and nobody wants it any more."""

        def recv(self, *arguments: int) -> bytes:
            try:
                return super().recv(*arguments)
            except BlockingIOError:
                if not token.reason:
                    far.sendall(b"* 1 EXISTS\r\n")
                    token.trip("enough")
                raise

    ours, far = socket.socketpair()
    with far, Sleepy(fileno=ours.detach()) as sock:
        conversation = object.__new__(connection.Connection)
        vars(conversation).update(sock=sock, _received=bytearray(), _limit=WorkContext(timeout=60, token=token))
        assert conversation.readline() == b"* 1 EXISTS\r\n"
        with pytest.raises(InterestLost):
            conversation.readline()


@pytest.mark.usefixtures("quick_retries")
def test_connection_dropped_again_and_again(new_account, sync, proxy, index):
    account = new_account(LARGE)
    proxy.fate = lambda number, uid: Fate.CUT if number % 333 == 0 else Fate.PASS
    report = sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()
    assert set(proxy.delivered.values()) == {1}
    assert (report.fetched, report.connections) == (LARGE, 7)


@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_falls_silent_is_given_up_after_its_time(account, sync, proxy, index, monkeypatch):
    monkeypatch.setattr(connection, "COMMAND_SECONDS", 0.5)
    monkeypatch.setattr(server, "_BYTES_PER_SECOND", 2**30)
    proxy.fate = lambda number, uid: Fate.SILENCE if number == 120 else Fate.PASS
    report = sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()
    assert set(proxy.delivered.values()) == {1}
    assert report.connections == 2


KILLED = """
import sys
from pathlib import Path
from askfirst.tasks import WorkContext
from askfirst.tasks.library.mailbox_sync import mailbox_sync

def report(progress):
    if progress.done >= int(at):
        print("here", flush=True)

source, index, password_file, at = sys.argv[1:]
mailbox_sync(WorkContext(timeout=60, report=report), source, Path(index), Path(password_file))
"""


def test_killed_again_and_again(new_account, sync, proxy, index, password_file):
    """Only what is on its way when the process dies, less than a batch, is fetched again."""
    account = new_account(LARGE)
    in_time = Counter()
    for at in (500, 1_400):
        arguments = [account.url(port=proxy.port), index.path, password_file, at]
        command = [sys.executable, "-c", KILLED, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"here\n"
            process.kill()
        stored = index.uids()
        assert at <= len(stored) < LARGE
        in_time.update(stored)
    sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()
    again = [uid for uid, times in proxy.delivered.items() if times > 1]
    assert len(again) <= 2 * 100
    assert not {uid for uid in again if proxy.delivered[uid] > 2}


def test_a_sync_that_was_taken_for_dead_writes_nothing_more(account, sync, index):
    """Another one has gone on in its place while it was paused."""
    others = []

    def report(progress) -> None:
        if progress.done == 100 and not others:
            others.append(sync(account.url()))

    with pytest.raises(IndexFileError, match="another sync has taken over"):
        sync(account.url(), WorkContext(timeout=60, report=report))
    assert others[0].fetched == SMALL - 100
    assert index.mail() == account.mail()


def test_a_sync_stops_at_its_deadline(account, sync, proxy):
    proxy.fate = lambda number, uid: Fate.SILENCE
    with pytest.raises(InterestLost, match="deadline"):
        sync(account.url(port=proxy.port), WorkContext(timeout=0.5))
