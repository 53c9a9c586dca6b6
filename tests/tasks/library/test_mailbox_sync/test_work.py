"""The sync as a work of a real fleet: cancelled, joined, and taken over from a worker that was killed."""

import threading
from collections.abc import Callable

import pytest

from askfirst import State, attach, status, submit_work
from askfirst.config import Settings
from askfirst.tasks.library.mailbox_sync import SyncReport, mailbox_sync
from tests.support.eventually import eventually
from tests.tasks.library.test_mailbox_sync.conftest import LARGE
from tests.tasks.library.test_mailbox_sync.proxy import Fate

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


@pytest.fixture
def halt_at(proxy) -> Callable[[int], threading.Event]:
    """Has the server halt before a message, by its number, until the event is set."""

    def halt(at: int) -> threading.Event:
        go_on = threading.Event()

        def fate(number: int, uid: int) -> Fate:
            if number == at:
                go_on.wait(20)
            return Fate.PASS

        proxy.fate = fate
        return go_on

    return halt


def halted(waiter, at: int) -> None:
    """Waits until a sync has stored all but what the server holds back."""
    eventually(lambda: (found := waiter.status()) and found.progress and found.progress.done >= at - 100, within=15)


def test_cancelled_and_killed_half_way(new_account, submit, start_worker, halt_at, proxy, index):
    account = new_account(LARGE)
    first = start_worker("w1", imports=IMPORTS)

    # Two callers share one sync; it stops when the last one leaves.
    go_on = halt_at(550)
    waiters = [submit(account), submit(account)]
    assert waiters[0].id == waiters[1].id
    halted(waiters[0], 550)
    waiters[0].cancel()
    assert waiters[1].status().state is State.RUNNING
    waiters[1].cancel()
    eventually(lambda: status(waiters[1].id).state is State.CANCELLED)
    eventually(lambda: len(index.uids()) == 549, what="what came whole is in the index")
    go_on.set()

    # The next one goes on, and its worker is killed; another one takes over.
    go_on = halt_at(1_250)
    waiter = submit(account)
    halted(waiter, 1_250)
    start_worker("w2", imports=IMPORTS, heard=False)
    first.kill()
    go_on.set()
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
