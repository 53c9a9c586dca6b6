"""After a sync the index is equal to the server, and what did not change was not touched."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.mailbox_sync import server
from tests.tasks.library.test_mailbox_sync.conftest import LARGE, SMALL
from tests.tasks.library.test_mailbox_sync.dovecot import PLAIN_HOST
from tests.tasks.library.test_mailbox_sync.messages import copies

# With and without CONDSTORE.
HOSTS = ["127.0.0.1", PLAIN_HOST]


def test_some_thousand_messages_are_indexed_once(new_account, sync, index):
    account, told = new_account(LARGE), []
    report = sync(account.url(), WorkContext(timeout=60, report=told.append))
    assert index.mail() == account.mail()
    assert (report.messages, report.added, report.fetched, report.folders) == (LARGE, LARGE, LARGE, 1)
    assert report.fetched_bytes == sum(size for _, _, size, _ in index.mail().values())
    assert 0 < report.malformed < LARGE
    assert len(report.problems) == 100
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, LARGE)
    assert {progress.total for progress in told} == {LARGE}
    assert told[-1].note == f"INBOX: {LARGE:,} of {LARGE:,} messages"


@pytest.mark.parametrize("host", HOSTS)
def test_what_did_not_change_is_not_fetched_again(account, sync, host):
    sync(account.url(host=host))
    report = sync(account.url(host=host))
    assert (report.messages, report.unchanged, report.fetched, report.connections) == (SMALL, SMALL, 0, 1)


def test_a_folder_whose_numbers_are_the_same_is_not_even_opened(account, sync, proxy):
    sync(account.url(port=proxy.port))
    commands = []
    proxy.answer = commands.append
    assert sync(account.url(port=proxy.port)).unchanged == SMALL
    words = {word for command in commands for word in command.split()}
    assert "STATUS" in words
    assert not {"EXAMINE", "SELECT", "UID"} & words


@pytest.mark.parametrize("host", HOSTS)
def test_new_messages_changed_flags_and_expunges_are_all_that_a_second_sync_brings(account, sync, index, host):
    sync(account.url(host=host))
    uids = index.uids()
    account.flag(f"{uids[10]}:{uids[12]}", r"+FLAGS (\Seen $Forwarded)")
    account.expunge(f"{uids[0]},{uids[20]}:{uids[29]},{uids[-1]}")
    account.deliver((b"X-New: yes\r\n" + text for text in copies(5)), flags="F")
    report = sync(account.url(host=host))
    assert index.mail() == account.mail()
    assert (report.added, report.changed, report.expunged, report.fetched) == (5, 3, 12, 5)
    assert report.unchanged == SMALL - 3 - 12
    assert index.rows("SELECT DISTINCT flags FROM mail ORDER BY 1") == [("",), (r"$Forwarded \Seen",), (r"\Flagged",)]


def test_with_condstore_the_server_tells_only_what_changed(account, sync, proxy):
    sync(account.url(port=proxy.port))
    account.flag("9", r"+FLAGS (\Seen)")
    commands, told = [], []
    proxy.answer = commands.append
    proxy.rewrite = lambda line: told.append(line) or line
    assert sync(account.url(port=proxy.port)).changed == 1
    assert any("CHANGEDSINCE" in command for command in commands)
    assert len([line for line in told if b" FETCH " in line]) == 1


def test_an_expunge_that_a_new_message_makes_up_for_is_seen(account, sync, index):
    """The numbers of messages are the same before and after."""
    sync(account.url())
    account.expunge("5")
    account.deliver(copies(1))
    report = sync(account.url())
    assert (report.added, report.expunged) == (1, 1)
    assert index.mail() == account.mail()


def test_a_message_that_the_index_lost_is_fetched_again(account, sync, index):
    sync(account.url())
    account.flag("1", r"+FLAGS (\Seen)")  # else nothing tells the sync to look
    with closing(sqlite3.connect(index.path)) as database, database:
        database.execute("DELETE FROM message WHERE uid = 7")
    assert sync(account.url()).fetched == 1
    assert index.mail() == account.mail()


def test_other_programs_do_not_notice_a_sync(account, sync):
    before = account.mail()
    with account.dovecot.session(account.user) as imap:
        sync(account.url())
        assert imap.uid("SEARCH", "SEEN")[1] == [b""]
    assert account.mail() == before


# Folders


def test_all_folders_are_synchronised_and_removed_ones_go(account, sync, index):
    account.deliver(copies(7), folder="Sent")
    account.deliver(copies(3), folder="Entw&APw-rfe & Ablage".replace("& ", "&- "))
    report = sync(account.url(""))
    assert report.folders == 3
    assert index.rows("SELECT folder, count(*) FROM mail GROUP BY 1 ORDER BY 1") == [
        ("Entwürfe & Ablage", 3),
        ("INBOX", SMALL),
        ("Sent", 7),
    ]
    shutil.rmtree(account.dovecot.maildir(account.user) / ".Sent")
    report = sync(account.url(""))
    assert (report.folders, report.expunged) == (2, 7)
    assert "Sent" not in {folder for (folder,) in index.rows("SELECT name FROM folder")}


def test_a_folder_that_is_refused_is_noted_and_the_others_are_synchronised(account, sync, proxy, index):
    account.deliver(copies(2), folder="Secret")
    proxy.answer = lambda command: "NO [NOPERM] not for you" if "Secret" in command else None
    report = sync(account.url("", port=proxy.port))
    (problem,) = (problem for problem in report.problems if problem.uid is None)
    assert (problem.folder, problem.problem) == ("Secret", "[NOPERM] not for you")
    assert index.mail() == account.mail()


def test_a_changed_uidvalidity_has_the_folder_indexed_anew(account, sync, index):
    sync(account.url())
    account.expunge("1:10")
    account.dovecot.restore(account.user)
    report = sync(account.url())
    assert index.mail() == account.mail()
    assert (report.added, report.expunged, report.messages) == (SMALL - 10, SMALL, SMALL - 10)
    assert index.rows("SELECT count(*) FROM folder") == [(1,)]


def test_until_a_folder_is_indexed_anew_as_a_whole_the_old_one_is_seen(account, sync, index):
    sync(account.url())
    before = index.mail()
    account.expunge("1:10")
    account.dovecot.restore(account.user)
    for stop_at in (30, 60):
        token, done = Token(), []

        def report(progress, token=token, done=done, stop_at=stop_at) -> None:
            done.append(progress.done)
            if progress.done >= stop_at:
                token.trip("enough")

        with pytest.raises(InterestLost):
            sync(account.url(), WorkContext(timeout=60, token=token, report=report), batch=10)
        assert index.mail() == before
    assert done[0] == 30  # it went on from where it was
    assert sync(account.url()).fetched == SMALL - 10 - 60
    assert index.mail() == account.mail()


# Sizes


def test_of_a_very_large_message_only_the_header_is_fetched(account, sync, index, monkeypatch):
    monkeypatch.setattr(server, "LARGEST_MESSAGE", 100_000)
    large = b"Message-ID: <large@example>\r\nSubject: large\r\nFrom: a@b\r\nDate: 1 Jan 2024 00:00 +0000\r\n\r\n"
    account.deliver([large + b"x" * 76 + b"\r\n" + b"y" * 99_990])
    report = sync(account.url())
    assert report.fetched_bytes < 10 * report.messages * 1_000
    query = "SELECT subject, digest, problem FROM mail WHERE message_id = '<large@example>'"
    ((subject, digest, problem),) = index.rows(query)
    assert (subject, digest) == ("large", None)
    assert problem.startswith("only its header was read: it has 100,")
    assert sync(account.url()).fetched == 0


def test_an_empty_folder_is_synchronised_too(new_account, sync):
    account = new_account(0)
    assert sync(account.url()).messages == 0
    assert sync(account.url()).messages == 0
