"""Work type `mailbox.sync`: a mailbox on an IMAP server, in an mbox or a Maildir, kept equal in a local index."""

from pathlib import Path

from ... import WorkContext, work
from .errors import IndexFileError, LoginRefused, MailboxSyncError, ServerUnavailable, SourceError
from .options import DEFAULT_BATCH, Batch, Name, Problem, SyncReport
from .sessions import run_sync

__all__ = [
    "IndexFileError",
    "LoginRefused",
    "MailboxSyncError",
    "Problem",
    "ServerUnavailable",
    "SourceError",
    "SyncReport",
    "mailbox_sync",
]


@work(name="mailbox.sync", timeout="1h", on_duplicate="join")
def mailbox_sync(
    ctx: WorkContext,
    source: Name,
    index: Path,
    password_file: Path | None = None,
    batch: Batch = DEFAULT_BATCH,
) -> SyncReport:
    """Make a local index equal to a mailbox: new messages, changed flags, what was removed; the rest is not touched.

    `source` is `imaps://user@host/folder` (without folder: all of them), `imap://…` (on this machine in clear,
    anywhere else with STARTTLS or not at all), `mbox:///path` or `maildir:///path`. The password is the first line of
    `password_file`: operators see the payload. `index` is an SQLite database of this one source, made if it isn't
    there; its view `mail` has a row for each message. All paths are of the worker's machine. `batch` is how many
    messages are asked for at once.

    Name the account by the work's key, such as `key="mailbox:user@host"`: then whoever asks while it is synchronised
    joins. However a sync ends, what it has done stays done, and the next one goes on from there: what was stored is
    not fetched again. Messages that are not as they should be are noted and stop nothing. A server that pushes back,
    or that can't be reached, is tried again until the deadline is too near.

    Raises SourceError, LoginRefused, ServerUnavailable and IndexFileError, all of them MailboxSyncError.
    """
    return run_sync(ctx, source, index, password_file, batch)
