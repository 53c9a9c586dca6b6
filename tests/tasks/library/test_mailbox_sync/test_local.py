"""Mailboxes in files, synchronised as those of a server are."""

import errno
import mailbox
import os
from pathlib import Path

import pytest

from askfirst.tasks import InterestLost
from askfirst.tasks.library.mailbox_sync import SourceError, local, maildir
from tests.tasks.library.test_mailbox_sync.conftest import interrupted_at
from tests.tasks.library.test_mailbox_sync.messages import copies

COUNT = 60


class Mbox:
    """An mbox, changed as a mail program does."""

    def __init__(self, path: Path) -> None:
        self.source = f"mbox://{path}"
        self.folder = path.name
        self._box = mailbox.mbox(path)
        self.add(*copies(COUNT))

    def add(self, *texts: bytes) -> None:
        for text in texts:
            self._box.add(mailbox.mboxMessage(text.replace(b"\r\n", b"\n")))
        self._box.flush()

    def remove(self, number: int) -> None:
        self._box.remove(self._box.keys()[number])
        self._box.flush()

    def flag(self, number: int, flags: str) -> None:
        key = self._box.keys()[number]
        message = self._box[key]
        message.set_flags(flags)
        self._box[key] = message
        self._box.flush()

    def close(self) -> None:
        self._box.close()


class Maildir(Mbox):
    """A Maildir, changed as a mail program does."""

    def __init__(self, path: Path) -> None:
        self.source = f"maildir://{path}"
        self.folder = "INBOX"
        self._box = mailbox.Maildir(path)
        self._keys = []
        self.add(*copies(COUNT))

    def add(self, *texts: bytes) -> None:
        self._keys += [self._box.add(mailbox.MaildirMessage(text)) for text in texts]

    def remove(self, number: int) -> None:
        self._box.remove(self._keys.pop(number))

    def flag(self, number: int, flags: str) -> None:
        key = self._keys[number]
        message = self._box[key]
        message.set_flags(flags)
        self._box[key] = message


@pytest.fixture(params=[Mbox, Maildir])
def box(request, tmp_path):
    box = request.param(tmp_path / "mail box")
    yield box
    box.close()


def ids(index) -> set[str]:
    return {id for (id,) in index.rows("SELECT message_id FROM mail")}


def test_messages_are_indexed_once(box, sync, index):
    report = sync(box.source)
    assert (report.added, report.fetched, report.connections) == (COUNT, COUNT, 0)
    assert ids(index) == {f"<{number}@copies.example>" for number in range(COUNT)}
    assert {folder for (folder,) in index.rows("SELECT folder FROM mail")} == {box.folder}
    report = sync(box.source)
    assert (report.unchanged, report.fetched) == (COUNT, 0)


def test_what_changes_is_brought_up_to_date(box, sync, index):
    sync(box.source)
    box.flag(3, "RF")
    box.remove(7)
    box.add(b"Message-ID: <new@example>\n\nnew\n")
    report = sync(box.source)
    assert (report.added, report.changed, report.expunged, report.fetched) == (1, 1, 1, 1)
    flags = index.rows("SELECT flags FROM mail WHERE message_id = '<3@copies.example>'")
    assert flags == [(r"\Flagged \Seen",)] if box.folder == "mail box" else [(r"\Answered \Flagged",)]
    assert ids(index) == {f"<{n}@copies.example>" for n in range(COUNT) if n != 7} | {"<new@example>"}


def test_an_interrupted_sync_goes_on(box, sync, index):
    for stop_at in (20, 30, 50):
        with pytest.raises(InterestLost):
            sync(box.source, interrupted_at(stop_at), batch=10)
        assert len(ids(index)) == stop_at
    assert sync(box.source).fetched == COUNT - stop_at
    assert len(ids(index)) == COUNT


def test_messages_that_are_the_same_are_all_indexed(box, sync, index):
    for _ in range(3):
        box.add(b"Message-ID: <same@example>\n\nsame\n")
    sync(box.source)
    assert index.rows("SELECT count(*) FROM mail WHERE message_id = '<same@example>'") == [(3,)]
    box.remove(COUNT)
    assert sync(box.source).expunged == 1


def test_of_a_very_large_message_only_the_header_is_read(box, sync, index, monkeypatch):
    monkeypatch.setattr(local, "LARGEST_MESSAGE", 50_000)
    box.add(b"Message-ID: <large@example>\n\n" + b"x\n" * 30_000)
    sync(box.source)
    query = "SELECT digest, problem LIKE 'only its header%' FROM mail WHERE message_id = '<large@example>'"
    assert index.rows(query) == [(None, 1)]


@pytest.mark.parametrize("scheme", ["mbox", "maildir"])
def test_what_is_not_there_is_said(sync, tmp_path, scheme):
    with pytest.raises(SourceError, match=f"(?i)no {scheme}"):
        sync(f"{scheme}://{tmp_path}/nowhere")


def test_folders_of_a_maildir(tmp_path, sync, index):
    box = mailbox.Maildir(tmp_path / "mail")
    box.add(b"Message-ID: <1@x>\n\n")
    box.add_folder("Entw&APw-rfe").add(b"Message-ID: <2@x>\n\n")
    assert sync(f"maildir://{tmp_path}/mail").folders == 2
    assert index.rows("SELECT folder, message_id FROM mail ORDER BY 1") == [
        ("Entwürfe", "<2@x>"),
        ("INBOX", "<1@x>"),
    ]


def test_a_maildir_that_changes_while_it_is_read(tmp_path, sync, index, monkeypatch):
    """A message that gets other flags, and so another name, is read all the same; one that goes is left out."""
    box = Maildir(tmp_path / "mail")
    listed = maildir.MaildirFiles.messages

    def messages(files, name):
        yield from listed(files, name)
        box.flag(0, "S")
        box.remove(1)

    monkeypatch.setattr(maildir.MaildirFiles, "messages", messages)
    assert sync(box.source).fetched == COUNT - 1
    monkeypatch.undo()
    assert sync(box.source).changed == 1
    assert len(ids(index)) == COUNT - 1
    box.close()


def test_odd_things_in_a_maildir_stop_nothing(tmp_path, sync, index):
    box = Maildir(tmp_path / "mail")
    (tmp_path / "mail" / ".spamassassin").mkdir()
    cur = tmp_path / "mail" / "cur"
    (cur / "0.folder").mkdir()
    Path(os.fsdecode(os.fsencode(cur) + b"/0.caf\xe9:2,S")).write_bytes(b"Message-ID: <odd@example>\n\n")
    report = sync(box.source)
    assert (report.folders, report.added) == (1, COUNT + 1)
    assert index.rows("SELECT flags FROM mail WHERE message_id = '<odd@example>'") == [(r"\Seen",)]
    assert sync(box.source).added == 0
    box.close()


def test_a_message_that_may_not_be_read_is_noted_and_all_others_are_read(tmp_path, sync, index, monkeypatch):
    box = Maildir(tmp_path / "mail")
    read = maildir._read
    forbidden = sorted(box._keys)[30]

    def read_if_allowed(files, unique, size):
        if unique == forbidden:
            raise PermissionError(errno.EACCES, "Permission denied")  # as for anybody but root
        return read(files, unique, size)

    monkeypatch.setattr(maildir, "_read", read_if_allowed)
    assert sync(box.source).fetched == COUNT - 1
    assert index.rows("SELECT problem FROM mail WHERE digest IS NULL") == [("it can't be fetched: Permission denied",)]
    assert sync(box.source).added == 0
    box.close()


def test_a_maildir_message_that_is_moved_while_we_look_is_seen_once(tmp_path, sync, monkeypatch):
    box = Maildir(tmp_path / "mail")
    scan = os.scandir

    def scandir(path):
        entries = list(scan(path))
        for entry in entries if path.name == "new" else []:
            os.rename(entry.path, f"{path.parent}/cur/{entry.name}:2,S")
        return iter(entries)

    monkeypatch.setattr(maildir.os, "scandir", scandir)
    assert sync(box.source).messages == COUNT
    box.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_what_may_not_be_read_is_said(tmp_path, sync):
    path = tmp_path / "mbox"
    path.touch(mode=0)
    with pytest.raises(SourceError, match="Permission denied"):
        sync(f"mbox://{path}")
