"""The sync as a work of a real fleet: cancelled, joined, and taken over from a worker that was killed."""

import threading
from collections.abc import Callable

import pytest

from askfirst import State, attach, status, submit_work
from askfirst.config import Settings
from askfirst.tasks.library.mailbox_sync import SyncReport, mailbox_sync
from tests.support.eventually import eventually
from tests.tasks.library.test_mailbox_sync.conftest import LARGE
from tests.tasks.library.test_mailbox_sync.proxy import Fate, ImapProxy

IMPORTS = ["askfirst.tasks.library.mailbox_sync"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A killed worker is known to be dead after two seconds."""
    return settings.model_copy(update={"lease": 2.0})


@pytest.fixture
def submit(client, proxy, index, password_file) -> Callable[..., object]:
    """Asks the fleet for a sync, through the proxy."""

    def submit(account, **options: object):
        what = {"source": account.url(port=proxy.port), "index": index.path, "password_file": password_file}
        return submit_work(mailbox_sync, **what, key=f"mailbox:{account.user}", timeout=60, **options)

    return submit


class Halt:
    """The server halts before a message, by its number among all, until it is told to go on; then it hangs up."""

    def __init__(self, proxy: ImapProxy, at: int) -> None:
        self._at = at
        self._reached = threading.Event()
        self._over = threading.Event()
        proxy.fate = self._fate

    def wait(self) -> None:
        assert self._reached.wait(15), "the server was never asked for that message"

    def go_on(self) -> None:
        self._over.set()

    def _fate(self, number: int, uid: int) -> Fate:
        if number != self._at:
            return Fate.PASS
        self._reached.set()
        self._over.wait(20)
        return Fate.CUT


def test_cancelled_and_killed_half_way(new_account, submit, start_worker, proxy, index):
    account = new_account(LARGE)
    first = start_worker("w1", imports=IMPORTS)

    # Two callers share one sync; it stops when the last one leaves.
    halt = Halt(proxy, at=550)
    waiters = [submit(account), submit(account)]
    assert waiters[0].id == waiters[1].id
    halt.wait()
    waiters[0].cancel()
    assert waiters[1].status().state is State.RUNNING
    waiters[1].cancel()
    eventually(lambda: status(waiters[1].id).state is State.CANCELLED)
    eventually(lambda: len(index.uids()) == 549, what="what came whole is in the index")
    halt.go_on()

    # The next one goes on, and its worker is killed; another one takes over.
    halt = Halt(proxy, at=1_250)
    waiter = submit(account)
    eventually(lambda: waiter.status().state is State.RUNNING)
    start_worker("w2", imports=IMPORTS, pool="threads", heard=False)
    halt.wait()
    first.kill()
    halt.go_on()
    assert attach(f"mailbox:{account.user}").id == waiter.id
    report = waiter.result(timeout=20)
    assert isinstance(report, SyncReport)
    assert waiter.status().attempt == 2
    assert report.messages == LARGE
    assert index.mail() == account.mail()
    # Twice came at most what was on its way to the worker when it was killed.
    again = [uid for uid, times in proxy.delivered.items() if times > 1]
    assert len(again) <= 100
    assert max(proxy.delivered.values()) <= 2
