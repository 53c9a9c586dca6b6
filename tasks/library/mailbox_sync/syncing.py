"""One sync: each folder of the index is made equal to the mailbox's, step by step, from wherever it is.

Each step asks the index how far it is. So there is no other way to go on after an interruption than to start again.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from .backoff import Pace
from .errors import SourceError
from .index import FolderRecord, Index
from .mailboxes import ConnectionLost, Described, Fetched, Folder, FolderState, PutOff, Refused, Source
from .options import SyncContext
from .summary import summarise, unreadable
from .tally import Tally

# How many messages' flags are asked for at once.
_FLAGS_WINDOW = 20_000
# How many bytes of messages are asked for at once, unless a single one has more.
_GROUP_BYTES = 4 * 1024 * 1024


class Sync:
    """Makes an index equal to a mailbox; `run` again after an interruption goes on."""

    def __init__(self, ctx: SyncContext, index: Index, batch: int) -> None:
        self._ctx = ctx
        self._index = index
        self._pace = Pace(batch)
        self.tally = Tally(ctx, before=index.count())

    def run(self, source: Source) -> None:
        """Synchronises all folders. Raises SourceError, ConnectionLost, IndexFileError, and what the context raises."""
        names = _folders(source)
        gone = set(self._index.folders()) - set(names)
        self.tally.expunged += self._index.drop(gone)
        looked = {name: self._look(source, name) for name in names}
        self.tally.expect({name: state.messages for name, state in looked.items() if state})
        refused = []
        for name, state in looked.items():
            self._ctx.check()
            try:
                self._synchronise(source, name, state)
            except Refused as refusal:
                refused.append(f"{name}: {refusal}")
                self.tally.refuse(name, str(refusal))
        if len(refused) == len(names):
            raise SourceError(refused[0])

    def _look(self, source: Source, name: str) -> FolderState | None:
        self._ctx.check()
        try:
            return source.look(name)
        except Refused:
            return None  # to open it will tell why

    def _synchronise(self, source: Source, name: str, looked: FolderState | None) -> None:
        record = self._index.folder(name)
        if record and looked and self._is_equal(record, looked):
            self.tally.reach(name, looked.messages)
            return
        folder = source.open(name)
        self.tally.expect({name: folder.state.messages})
        record = self._index.begin(name, folder.state)
        new = self._reconcile(folder, record)
        self._add(folder, record, new)
        self.tally.expunged += self._index.finish(record, folder.state)

    def _is_equal(self, record: FolderRecord, state: FolderState) -> bool:
        """Whether the server's numbers leave no room for a difference."""
        ours = (record.uidvalidity, record.uidnext, record.highestmodseq)
        theirs = (state.uidvalidity, state.uidnext, state.highestmodseq)
        return ours == theirs and ours[2] is not None and self._index.count(record) == state.messages

    def _reconcile(self, folder: Folder, record: FolderRecord) -> list[int]:
        """Makes what the index has of a folder equal to the folder. Returns the UIDs of what it has not."""
        known = self._index.uids(record)
        state = folder.state
        # A server needn't say what the next UID is.
        new = folder.uids(record.uidnext) if record.uidnext < state.uidnext or not state.uidnext else []
        new = sorted(set(new).difference(known))
        self._refresh_flags(folder, record, known)
        if len(known) + len(new) != state.messages:
            existing = set(folder.uids())
            expunged = [uid for uid in known if uid not in existing]
            self._index.change(record, {}, expunged)
            self.tally.expunged += len(expunged)
            new = sorted(existing.difference(known))
        return new

    def _refresh_flags(self, folder: Folder, record: FolderRecord, known: Sequence[int]) -> None:
        since, latest = record.highestmodseq, folder.state.highestmodseq
        if since is not None and since == latest:
            return
        if since is None or latest is None or since > latest:
            since = None  # the server doesn't number changes, or began to anew: look at all
        for window in _slices(known, _FLAGS_WINDOW):
            self._ctx.check()
            theirs = folder.flags(window[0], window[-1], since)
            ours = self._index.flags(record, window[0], window[-1])
            changed = {uid: flags for uid, flags in theirs.items() if ours.get(uid, flags) != flags}
            self._index.change(record, changed)
            self.tally.changed += len(changed)

    def _add(self, folder: Folder, record: FolderRecord, uids: Sequence[int]) -> None:
        """Fetches messages and adds them, in the order of their UIDs."""
        indexed = self._index.count(record)
        self.tally.reach(record.name, indexed)
        start = 0
        while start < len(uids):
            asked = uids[start : start + self._pace.size]
            start += len(asked)
            self._ctx.check()
            pending = deque(self._describe(folder, asked))
            while pending:
                group = self._take(pending)
                left = self._fetch(folder, record, group)
                pending.extendleft(reversed(left))
                indexed += len(group) - len(left)
                self.tally.reach(record.name, indexed)
                self._ctx.check()

    def _describe(self, folder: Folder, uids: Sequence[int]) -> list[Described]:
        try:
            return folder.describe(uids)
        except Refused:
            if len(uids) == 1:
                return [_undescribed(uids[0])]
        except PutOff:
            raise
        except ConnectionLost:
            if len(uids) == 1 and self._pace.hopeless(uids[0]):
                return [_undescribed(uids[0])]  # nor is its text asked for: that is noted
            self._pace.failed(uids)
            raise
        middle = len(uids) // 2
        return self._describe(folder, uids[:middle]) + self._describe(folder, uids[middle:])

    def _take(self, pending: deque[Described]) -> list[Described]:
        """The messages to ask for at once."""
        group = [pending.popleft()]
        size = group[0].size
        while pending and len(group) < self._pace.size and (size := size + pending[0].size) <= _GROUP_BYTES:
            group.append(pending.popleft())
        return group

    def _fetch(self, folder: Folder, record: FolderRecord, group: Sequence[Described]) -> list[Described]:
        """Fetches some messages and keeps what came, however it ends. Returns those to ask for again."""
        if len(group) == 1 and self._pace.hopeless(group[0].uid):
            self._keep_unreadable(record, group[0], "each time the server fails")
            self._pace.give_up(group[0].uid)
            return []
        arrived: list[Fetched] = []
        failure = None
        try:
            folder.fetch(group, arrived)
        except BaseException as error:  # it waits, whatever it is, until what came is safe
            failure = error
        came = {message.described.uid for message in arrived}
        # What doesn't come although all went well is gone since it was described.
        left = [message for message in group if message.uid not in came] if failure else []
        self._keep(record, arrived, left[0].uid if left else group[-1].uid + 1)
        if failure is None:
            self._pace.succeeded()
            return []
        if isinstance(failure, Refused | ConnectionLost) and not isinstance(failure, PutOff):
            self._pace.failed([message.uid for message in left])
        if not isinstance(failure, Refused):
            raise failure
        if left and len(group) == 1:
            self._keep_unreadable(record, left.pop(), str(failure))
        return left

    def _keep(self, record: FolderRecord, arrived: Sequence[Fetched], uidnext: int) -> None:
        messages = [(message.described, summarise(message)) for message in arrived]
        self._index.add(record, messages, uidnext)
        for message, (described, summary) in zip(arrived, messages, strict=True):
            self.tally.add(record.name, described.uid, summary, len(message.content))

    def _keep_unreadable(self, record: FolderRecord, described: Described, why: str) -> None:
        summary = unreadable(why)
        self._index.add(record, [(described, summary)], described.uid + 1)
        self.tally.add(record.name, described.uid, summary, None)


def _folders(source: Source) -> list[str]:
    try:
        names = source.folders()
    except Refused as refusal:
        raise SourceError(f"the folders can't be listed: {refusal}") from refusal
    if not names:
        raise SourceError("the mailbox has no folders")
    return names


def _slices(uids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (uids[start : start + size] for start in range(0, len(uids), size))


def _undescribed(uid: int) -> Described:
    return Described(uid, flags="", received_at=None, size=0)
