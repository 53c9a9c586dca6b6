"""Why a sync can fail.

MailboxSyncError
├── SourceError          the mailbox can't be read as asked for
│   └── LoginRefused     the server doesn't take the user and the password
├── ServerUnavailable    (ConnectionError) the server couldn't be talked to until the deadline was too near
└── IndexFileError       the index can't be used

Whatever happens, the index holds what was synchronised before: the next sync goes on from there.
"""


class MailboxSyncError(Exception):
    """A sync failed; the next one goes on from where it was."""


class SourceError(MailboxSyncError):
    """The mailbox can't be read as asked for, and to try again wouldn't help."""


class LoginRefused(SourceError):
    """The server doesn't take the user and the password."""


class ServerUnavailable(MailboxSyncError, ConnectionError):
    """The server couldn't be reached, or asked for patience, until too little time was left to try again."""


class IndexFileError(MailboxSyncError):
    """The index can't be used: no index, of another mailbox, not writable, or taken over by another sync."""
