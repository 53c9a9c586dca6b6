"""A server that pushes back is left alone for a while, and asked again as long as there is time."""

import contextlib
import re
import threading
from collections import Counter

import pytest

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.mailbox_sync import ServerUnavailable, backoff, connection
from tests.support.eventually import eventually
from tests.support.servers import free_port
from tests.tasks.library.test_mailbox_sync.conftest import SMALL
from tests.tasks.library.test_mailbox_sync.dovecot import PLAIN_HOST
from tests.tasks.library.test_mailbox_sync.proxy import Fate, ImapProxy


class Waits(WorkContext):
    """A context whose time flies: it keeps how long it was to sleep, and doesn't."""

    def __init__(self, timeout: float = 600) -> None:
        self.notes: list[str | None] = []
        self.slept: list[float] = []
        super().__init__(timeout=timeout, report=lambda progress: self.notes.append(progress.note))

    def sleep(self, seconds: float) -> None:
        self.check()
        self.slept.append(seconds)


@pytest.mark.parametrize("command", ["UID FETCH", "UID SEARCH", "EXAMINE", "STATUS", "AUTHENTICATE"])
def test_a_command_that_is_put_off_is_asked_again_later(new_account, sync, proxy, index, command):
    account = new_account(60)
    codes = ["THROTTLED", "LIMIT", "INUSE", "UNAVAILABLE", "OVERQUOTA"]
    put_off = iter(f"NO [{code}] come back later" for code in codes)
    proxy.answer = lambda line: next(put_off, None) if line.startswith(command) else None
    ctx = Waits()
    report = sync(account.url(port=proxy.port), ctx)
    assert index.mail() == account.mail()
    assert set(proxy.delivered.values()) == {1}
    assert len(ctx.slept) == len(codes)
    assert report.connections == (1 if command == "AUTHENTICATE" else 1 + len(codes))


@pytest.mark.parametrize(
    "said",
    [
        "NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
        "* BYE [OVERQUOTA] Account exceeded command or bandwidth limits.",  # Gmail
        "BAD [LIMIT] slow down",
        "NO Request is throttled. Suggested Backoff Time: 299910 milliseconds",  # Exchange Online
        "BAD Request is throttled. Suggested Backoff Time: 89117 milliseconds",
    ],
)
@pytest.mark.parametrize("asked_for", ["BODY.PEEK[]", "RFC822.SIZE"])
def test_a_server_that_asks_for_patience_again_and_again_costs_no_message(
    new_account, sync, proxy, index, said, asked_for
):
    account, put_off = new_account(60), iter([said] * 10)
    proxy.answer = lambda command: next(put_off, None) if asked_for in command else None
    ctx = Waits()
    report = sync(account.url(port=proxy.port), ctx)
    assert index.mail() == account.mail()
    assert report.fetched == 60
    assert len(ctx.slept) == 10
    # No message given up has counted as progress in between.
    assert max(ctx.slept) > 16 * backoff.FIRST_DELAY


def test_a_server_that_says_bye_first_is_asked_again_later(account, sync, proxy, index):
    proxy.greeting = lambda number: "* BYE [UNAVAILABLE] too many of you" if number <= 3 else None
    ctx = Waits()
    sync(account.url(port=proxy.port), ctx)
    assert index.mail() == account.mail()
    assert len(ctx.slept) == 3
    assert sum(note.endswith("s: * BYE [UNAVAILABLE] too many of you") for note in ctx.notes) == 3


def test_dovecots_own_limit_of_connections(account, sync, index, quick_retries, caplog):
    """It lets ten of one user in, by default."""
    with contextlib.ExitStack() as others:
        for _ in range(10):
            others.enter_context(account.dovecot.session(account.user))
        leaving = threading.Thread(
            target=lambda: (eventually(lambda: "Maximum number of connections" in caplog.text), others.close())
        )
        leaving.start()
        sync(account.url())
        leaving.join()
    assert index.mail() == account.mail()


def test_each_wait_is_longer_than_the_one_before_up_to_a_limit_and_no_two_are_alike(account, sync, proxy):
    proxy.greeting = lambda number: "* BYE later" if number <= 12 else None
    ctx = Waits()
    sync(account.url(port=proxy.port), ctx)
    longest = [min(backoff.FIRST_DELAY * 2**n, backoff.LONGEST_DELAY) for n in range(12)]
    assert all(most / 2 <= slept <= most for slept, most in zip(ctx.slept, longest, strict=True))
    assert len(set(ctx.slept)) == 12


def test_after_progress_the_waits_are_short_again(account, sync, proxy):
    proxy.fate = lambda number, uid: Fate.CUT if number in (50, 120) else Fate.PASS
    proxy.greeting = lambda number: "* BYE later" if number in (2, 3, 4) else None
    ctx = Waits()
    sync(account.url(port=proxy.port), ctx)
    assert len(ctx.slept) == 5
    assert ctx.slept[3] > 2 * backoff.FIRST_DELAY
    assert ctx.slept[4] <= backoff.FIRST_DELAY


def test_a_server_that_is_not_there_is_waited_for_until_the_deadline_is_too_near(new_account, sync):
    port = free_port()
    with pytest.raises(ServerUnavailable, match="Connection refused; no time is left to try again"):
        sync(new_account(0).url(port=port), WorkContext(timeout=1))


def test_a_wait_ends_when_nobody_wants_the_sync_any_more(new_account, sync):
    token = Token()
    threading.Timer(0.3, token.trip, ["enough"]).start()
    with pytest.raises(InterestLost, match="enough"):
        sync(new_account(0).url(port=free_port()), WorkContext(timeout=60, token=token))


# Messages that a server can't give


def test_a_message_that_is_refused_is_noted_and_all_others_are_fetched(account, sync, proxy, index):
    def answer(command: str) -> str | None:
        refused = command.startswith("UID FETCH") and "BODY.PEEK[]" in command and 77 in _uids(command)
        return "NO [SERVERBUG] can't read it" if refused else None

    proxy.answer = answer
    report = sync(account.url(port=proxy.port))
    assert report.fetched == SMALL - 1
    (problem,) = (problem for problem in report.problems if "fetched" in problem.problem)
    assert (problem.uid, problem.problem) == (77, "it can't be fetched: [SERVERBUG] can't read it")
    assert index.uids() == list(range(1, SMALL + 1))
    assert set(proxy.delivered.values()) == {1}
    assert sync(account.url(port=proxy.port)).added == 0


def test_a_message_on_which_the_server_dies_each_time_is_noted_and_left(account, sync, proxy, index):
    proxy.fate = lambda number, uid: Fate.CUT if uid == 77 else Fate.PASS
    report = sync(account.url(port=proxy.port), Waits())
    assert report.fetched == SMALL - 1
    assert index.rows("SELECT uid, problem FROM mail WHERE problem LIKE '%fetched%'") == [
        (77, "it can't be fetched: each time the server fails")
    ]
    assert set(proxy.delivered.values()) == {1}
    described = {uid: items[:3] for uid, items in account.mail().items()}
    assert {uid: items[:3] for uid, items in index.mail().items()} == described


def test_a_message_on_which_the_server_dies_as_it_is_described_is_noted_and_left(account, sync, proxy, index):
    """For its size a server has to read it."""

    def rewrite(line: bytes) -> bytes:
        if b"RFC822.SIZE" in line and b"UID 77 " in line:
            raise ConnectionResetError
        return line

    proxy.rewrite = rewrite
    report = sync(account.url(port=proxy.port), Waits(timeout=20))
    assert (report.messages, report.fetched) == (SMALL, SMALL - 1)
    assert index.rows("SELECT uid, problem FROM mail WHERE problem LIKE '%fetched%'") == [
        (77, "it can't be fetched: each time the server fails")
    ]
    assert set(proxy.delivered.values()) == {1}
    proxy.rewrite = lambda line: line
    assert sync(account.url(port=proxy.port)).added == 0


def test_a_message_that_is_given_up_costs_none_of_the_same_number_in_another_folder(new_account, sync, proxy, index):
    account = new_account(1)
    account.deliver([b"Message-ID: <other@example>\r\n\r\n"], folder="Other")
    proxy.fate = lambda number, uid: Fate.CUT if number <= 3 else Fate.PASS
    assert sync(account.url("", port=proxy.port), Waits()).fetched == 1
    assert index.rows("SELECT folder FROM mail WHERE problem LIKE '%fetched%'") == [("INBOX",)]
    assert index.mail("Other") == account.mail("Other")
    assert len(index.uids("INBOX")) == 1


def test_a_message_that_has_more_bytes_than_the_server_said_is_kept_in_no_memory(
    new_account, sync, proxy, index, monkeypatch
):
    monkeypatch.setattr(connection, "_LONGEST_LITERAL", 200_000)
    account = new_account(0)
    account.deliver([b"Message-ID: <1@x>\r\n\r\n", b"\r\n" + b"x\r\n" * 100_000, b"Message-ID: <3@x>\r\n\r\n"])
    proxy.rewrite = lambda line: re.sub(rb"RFC822.SIZE \d+", b"RFC822.SIZE 100", line)
    assert sync(account.url(port=proxy.port), Waits()).fetched == 2
    assert index.rows("SELECT uid, problem FROM mail WHERE problem LIKE '%fetched%'") == [
        (2, "it can't be fetched: each time the server fails")
    ]
    assert index.uids() == [1, 2, 3]


def test_messages_that_go_while_they_are_fetched_are_left_out(account, sync, proxy, index):
    expunged = threading.Event()

    def answer(command: str) -> None:
        if "BODY.PEEK[]" in command and 150 in _uids(command) and not expunged.is_set():
            expunged.set()
            account.expunge("140:160")

    proxy.answer = answer
    sync(account.url(port=proxy.port))
    sync(account.url(port=proxy.port))
    assert index.mail() == account.mail()


@pytest.mark.parametrize("host", ["127.0.0.1", PLAIN_HOST])
def test_flags_that_others_change_meanwhile_are_not_given_to_the_wrong_message(account, sync, index, host):
    """A server tells of them unasked, by the number of the message, and some without its UID."""
    account.expunge("1:50")  # from now on no number is the UID
    changes, told = iter(range(60, 200, 10)), []

    def answer(command: str) -> None:
        if command.startswith("UID FETCH"):
            account.flag(str(next(changes)), r"+FLAGS (\Flagged)")

    with ImapProxy(account.dovecot.port, host) as proxy:
        proxy.answer = answer
        proxy.rewrite = lambda line: told.append(line) or line
        sync(account.url(port=proxy.port), batch=50)
        proxy.answer = lambda command: None
        sync(account.url(port=proxy.port))
    assert any(b"FETCH (FLAGS" in line for line in told) is (host == PLAIN_HOST)
    assert index.mail() == account.mail()
    assert Counter(flags for flags, *_ in index.mail().values())[r"\Flagged"] > 3


def _uids(command: str) -> set[int]:
    """The UIDs that a FETCH asks for."""
    found: set[int] = set()
    for part in command.split()[2].split(","):
        first, _, last = part.partition(":")
        found.update(range(int(first), int(last or first) + 1))
    return found
