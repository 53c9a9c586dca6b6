"""A sync over as many connections as it takes."""

import time
from pathlib import Path

from .address import ImapAddress, LocalAddress, parse_source
from .backoff import Backoff
from .index import Index
from .local import LocalMailbox
from .mailboxes import ConnectionLost
from .maildir import MaildirFiles
from .mbox import MboxFiles
from .options import SyncContext, SyncReport
from .server import ImapServer, read_password
from .syncing import Sync


def run_sync(ctx: SyncContext, source: str, path: Path, password_file: Path | None, batch: int) -> SyncReport:
    """Makes the index equal to the mailbox; raises MailboxSyncError, and what the context raises."""
    started = time.monotonic()
    address = parse_source(source)
    with Index(path, str(address)) as index:
        sync = Sync(ctx, index, batch)
        if isinstance(address, ImapAddress):
            _sync_server(ctx, address, read_password(password_file), sync)
        else:
            _sync_files(ctx, address, index, sync)
        tally = sync.tally
        return SyncReport(
            source=str(address),
            folders=len(index.folders()),
            messages=index.count(),
            added=tally.added,
            changed=tally.changed,
            expunged=tally.expunged,
            unchanged=tally.unchanged,
            fetched=tally.fetched,
            fetched_bytes=tally.fetched_bytes,
            malformed=tally.malformed,
            problems=tally.problems,
            connections=tally.connections,
            seconds=time.monotonic() - started,
        )


def _sync_server(ctx: SyncContext, address: ImapAddress, password: str, sync: Sync) -> None:
    backoff = Backoff(ctx, sync.tally.tell)
    while True:
        steps = sync.tally.steps
        try:
            with ImapServer(ctx, address, password) as server:
                sync.tally.connections += 1
                sync.run(server)
            return
        except ConnectionLost as lost:
            if sync.tally.steps > steps:
                backoff.reset()
            backoff.wait(lost)


def _sync_files(ctx: SyncContext, address: LocalAddress, index: Index, sync: Sync) -> None:
    files = MaildirFiles if address.scheme == "maildir" else MboxFiles
    with LocalMailbox(ctx, address.path, files, index.known_ids) as mailbox:
        sync.run(mailbox)
