"""Schedules in Redis: one method per script. Times in ms of the Redis clock, the only one that counts here."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ..interest.ledger import Ledger
from ..interest.script import Argument, Call, script
from ..interest.sealing import TamperedError
from .entries import Entry, read_entry
from .keys import ScheduleKeys

_log = logging.getLogger("askfirst.schedules")
_PAGE: Final = 500  # members of a set in one command
_BACKFILLED_AT_ONCE: Final = 50
_OPEN_AT_ONCE: Final = 100


class Due(NamedTuple):
    """A schedule with something to decide."""

    id: str
    revision: int
    cursor: int
    carry: str
    paused_until: int


class Open(NamedTuple):
    """A claimed instant, published or not, and what may have come over its schedule meanwhile."""

    id: str
    entry: Entry
    revision: int
    paused_at: int
    deleted: bool
    overtaken_at: int
    overtaken_how: str
    waiting: int


class Look(NamedTuple):
    """What there is to do at `now`, and in how many ms there is more."""

    now: int
    calendar_changes: int
    due: list[Due]
    open: list[Open]
    more_in: int


class Fate(NamedTuple):
    """What becomes of one planned instant, or of a row of `number` that don't fire: fire, skipped or missed."""

    nominal: int
    fate: str
    why: str = ""
    last: int = 0
    number: int = 1


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the next instants of a schedule."""

    due: Due
    lane: str
    reached: int
    next_due: int | None
    carry: str
    alarm: str
    overlap: str
    fates: Sequence[Fate]
    #: Whether the schedule is paused, so that none of them fires.
    paused: bool = False


class Claimed(NamedTuple):
    """An instant that whoever made the call is to publish."""

    id: str
    entry: Entry
    revision: int
    at: int


@dataclass(frozen=True, slots=True)
class Record:
    """What is kept of a schedule; `definition` is JSON."""

    id: str
    definition: str
    revision: int
    cursor: int
    paused: str
    paused_by: str
    paused_at: int
    paused_until: int
    carry: str
    failures: int
    alarm: str
    open: int
    buffered: int


_RECORD: Final = (
    "definition", "revision", "cursor", "paused", "paused_by", "paused_at", "paused_until", "carry", "failures",
    "alarm", "deleted",
)  # fmt: skip


class Store:
    """`keep` entries of each history are kept, for `keep_for` seconds. Each method raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger, keep: int, keep_for: float) -> None:
        self.line = ledger.line
        self.keys = ScheduleKeys(ledger.namespace)
        self._seal = ledger.seal
        self._policy: dict[str, Argument] = {"keep": keep, "keep_for": round(keep_for * 1000)}

    def now(self) -> int:
        """The time by the Redis clock."""
        return _ms(self.line.command("TIME"))

    # Schedulers

    def look(self, limit: int) -> Look:
        """What there is to do now, at most `limit` of each kind."""
        now, changes, due, agenda, more_in = self.line.call(self._bind("look", limit=limit))
        found = [Due(id, int(revision), int(cursor), carry, int(until)) for id, revision, cursor, carry, until in due]
        return Look(now, int(changes), found, _rows(agenda), int(more_in))

    def open(self, id: str) -> list[Open]:
        """All that is open of one schedule."""
        found: list[Open] = []
        while page := _rows(self.line.call(self._open_call(id, len(found)))[1]):
            found += page
        return found

    def definitions(self, ids: Sequence[str]) -> list[tuple[str | None, int]]:
        """The definition of each (JSON), None if it is gone or was tampered with, and its revision."""
        found = self.line.batch([("HMGET", self.keys.schedule(id), "definition", "revision") for id in ids])
        return [
            (self._open(definition, "schedule", id), int(revision or 0))
            for id, (definition, revision) in zip(ids, found, strict=True)
        ]

    def postpone(self, ids: Sequence[str], until: int) -> None:
        """Has these looked at again then: they can't be decided now."""
        if ids:
            pairs: list[Argument] = [part for id in ids for part in (until, id)]
            self.line.command("ZADD", self.keys.due, "XX", *pairs)

    def decide(self, decisions: Sequence[Decision], calendars: int | None = None) -> list[list[Claimed] | None]:
        """Writes each decision unless another scheduler was faster: what it claims, or None.

        Nor is it written where calendars have changed other than `calendars` times, if that is given.
        """
        return self._claims([self._decide_call(decision, calendars) for decision in decisions])

    def published(self, notes: Sequence[Mapping[str, Argument]]) -> list[list[Claimed] | None]:
        """Notes what became of publications; see published.lua for what each note has."""
        return self._claims([self._bind("published", **note) for note in notes])

    def follow(self, notes: Sequence[Mapping[str, Argument]]) -> None:
        """Notes what is seen of runs that go on; see follow.lua."""
        self.line.batch([self._bind("follow", **note) for note in notes])

    def ended(self, notes: Sequence[Mapping[str, Argument]]) -> list[list[Claimed] | None]:
        """Notes the ends of runs; see ended.lua."""
        return self._claims([self._bind("ended", **note, **self._policy) for note in notes])

    # Operators

    def record(self, id: str) -> Record | None:
        """What is kept of a schedule, or None if there is none."""
        return self.records([id])[0]

    def records(self, ids: Sequence[str]) -> list[Record | None]:
        """The same for many, in one round trip."""
        keys = self.keys
        commands = [
            command
            for id in ids
            for command in (
                ("HMGET", keys.schedule(id), *_RECORD),
                ("ZCARD", keys.open(id)),
                ("ZCARD", keys.buffered(id)),
            )
        ]
        replies = self.line.batch(commands)
        return [self._read_record(id, *replies[n * 3 : n * 3 + 3]) for n, id in enumerate(ids)]

    def ids(self, prefix: str = "", after: str = "", limit: int = _PAGE) -> list[str]:
        """Ids in the order of their letters, those that begin with the prefix and come after `after`."""
        begin = f"({after}" if after >= prefix and after else f"[{prefix}"
        end = f"[{prefix}\xff" if prefix else "+"
        found: list[str] = self.line.command("ZRANGEBYLEX", self.keys.ids, begin, end, "LIMIT", 0, limit)
        return found

    def tagged(self, tag: str) -> list[str]:
        """The ids of those that have the tag, in the order of their letters."""
        return sorted(self.line.command("SMEMBERS", self.keys.tag(tag)))

    def upcoming(self, limit: int, start: int = 0) -> list[tuple[str, int]]:
        """The schedules with something to decide first, from number `start` on, and when."""
        flat = self.line.command("ZRANGE", self.keys.due, start, start + limit - 1, "WITHSCORES")
        return [(id, int(at)) for id, at in zip(flat[::2], flat[1::2], strict=True)]

    def put(
        self,
        id: str,
        definition: str,
        lane: str,
        tags: Iterable[str],
        *,
        known: Record | None,
        calendars: int,
        reached: int,
        next_due: int | None,
    ) -> bool:
        """Writes a definition; False if the schedule is not as it was `known`, or calendars have changed since."""
        reply = self.line.call(
            script("put", __package__).bind(
                (self.keys.base,),
                tuple(tags),
                id=id,
                definition=self._seal.close(definition, "schedule", id),
                revision=known.revision if known else 0,
                cursor=known.cursor if known else 0,
                calendars=calendars,
                lane=lane,
                reached=reached,
                next_due=_optional(next_due),
            )
        )
        return bool(reply[0] == "put")

    def pause(self, id: str, reason: str, actor: str) -> bool | None:
        """Pauses it: whether it was not paused; None if there is none."""
        return _whether(self.line.call(self._bind("pause", id=id, reason=reason, actor=actor)))

    def resume(self, id: str) -> bool | None:
        """Lets it go on: whether it was paused; None if there is none."""
        return _whether(self.line.call(self._bind("resume", id=id)))

    def delete(self, id: str, actor: str) -> bool:
        """Deletes it: whether there was one."""
        return bool(self.line.call(self._bind("delete", id=id, actor=actor)))

    def trigger(self, id: str, overlap: str) -> tuple[Entry, list[Claimed]] | None:
        """Fires it now: the entry, and what is claimed; None if there is none."""
        nonce = secrets.token_hex(8)
        bound = self._bind("trigger", id=id, nominal=self.now(), nonce=nonce, overlap=overlap, **self._policy)
        reply = self.line.call(bound)
        return None if reply[0] == "unknown" else (read_entry(reply[2]), _read_claims(reply) or [])

    def backfill(self, id: str, overlap: str, nominals: Sequence[int]) -> tuple[list[Entry], list[Claimed]] | None:
        """Fires instants of the past that have not run well; None if there is no such schedule."""
        entries: list[Entry] = []
        claims: list[Claimed] = []
        for start in range(0, len(nominals), _BACKFILLED_AT_ONCE):
            page = tuple(nominals[start : start + _BACKFILLED_AT_ONCE])
            bound = script("backfill", __package__).bind((self.keys.base,), page, id=id, overlap=overlap)
            reply = self.line.call(bound)
            if reply[0] == "unknown":
                return None
            claims += _read_claims(reply) or []
            entries += map(read_entry, reply[2])
        return entries, claims

    def history(self, id: str, since: int | None, until: int | None, start: int, count: int) -> list[Entry]:
        """What is known of the instants in [since, until], newest first: `count` of them, from number `start` on."""
        low, high = "-inf" if since is None else since, "+inf" if until is None else until
        names = self.line.command("ZREVRANGEBYSCORE", self.keys.history(id), high, low, "LIMIT", start, count)
        return self.entries(id, names)

    def entries(self, id: str, instants: Sequence[str]) -> list[Entry]:
        """What is known of these instants, of those that are known."""
        texts = self.line.command("HMGET", self.keys.entries(id), *instants) if instants else []
        return [read_entry(text) for text in texts if text is not None]

    # Calendars

    def calendars(self) -> tuple[dict[str, str], int]:
        """All calendars (JSON by name) but those that were tampered with, and how often any has changed."""
        flat = self.line.command("HGETALL", self.keys.calendars)
        found = dict(zip(flat[::2], flat[1::2], strict=True))
        changes = int(found.pop("", 0))
        opened = {name: self._open(sealed, "calendar", name) for name, sealed in found.items()}
        return {name: text for name, text in opened.items() if text is not None}, changes

    def calendar_changes(self) -> tuple[int, int]:
        """How often any calendar has changed, and the time."""
        changes, time = self.line.batch([("HGET", self.keys.calendars, ""), ("TIME",)])
        return int(changes or 0), _ms(time)

    def put_calendars(self, definitions: Mapping[str, str | None], changes: int) -> bool:
        """Writes or removes (None) calendars, and has every schedule planned anew; False if others were faster."""
        sealed = {n: "" if text is None else self._seal.close(text, "calendar", n) for n, text in definitions.items()}
        flat = tuple(part for pair in sealed.items() for part in pair)
        if not self.line.call(script("put_calendars", __package__).bind((self.keys.base,), flat, changes=changes)):
            return False
        start, now = 0, self.now()
        # Known by their ids: their scores change under our hands.
        while ids := self.line.command("ZRANGE", self.keys.ids, start, start + _PAGE - 1):
            pairs: list[Argument] = [part for id in ids for part in (now, id)]
            self.line.command("ZADD", self.keys.due, "XX", "LT", *pairs)  # what is due already keeps its place
            start += _PAGE
        return True

    # How scripts are called

    def _open(self, sealed: str | None, kind: str, name: str) -> str | None:
        """The definition; None where there is none, or somebody without the signing key has written it."""
        try:
            return None if sealed is None else self._seal.open(sealed, kind, name)
        except TamperedError as tampered:
            _log.error("%s is left alone: %s", name, tampered)
            return None

    def _read_record(self, id: str, fields: Any, opened: int, buffered: int) -> Record | None:
        found = dict(zip(_RECORD, fields, strict=True))
        definition = self._open(found["definition"], "schedule", id)
        if definition is None or found["deleted"]:
            return None
        return Record(
            id=id,
            definition=definition,
            revision=int(found["revision"]),
            cursor=int(found["cursor"]),
            paused=found["paused"] or "",
            paused_by=found["paused_by"] or "",
            paused_at=int(found["paused_at"] or 0),
            paused_until=int(found["paused_until"] or 0),
            carry=found["carry"] or "",
            failures=int(found["failures"] or 0),
            alarm=found["alarm"] or "",
            open=opened,
            buffered=buffered,
        )

    def _decide_call(self, decision: Decision, calendars: int | None) -> Call:
        due = decision.due
        fates = tuple(
            part for f in decision.fates for part in (f.nominal, f.fate, f.why, f.last or f.nominal, f.number)
        )
        return script("decide", __package__).bind(
            (self.keys.base,),
            fates,
            id=due.id,
            revision=due.revision,
            cursor=due.cursor,
            paused=int(decision.paused),
            calendars=_optional(calendars),
            lane=decision.lane,
            reached=decision.reached,
            next_due=_optional(decision.next_due),
            carry=decision.carry,
            alarm=decision.alarm,
            overlap=decision.overlap,
            **self._policy,
        )

    def _open_call(self, id: str, first: int) -> Call:
        return self._bind("open", id=id, first=first, last=first + _OPEN_AT_ONCE - 1)

    def _claims(self, calls: Sequence[Call]) -> list[list[Claimed] | None]:
        return [_read_claims(reply) for reply in self.line.batch(calls)]

    def _bind(self, name: str, /, **arguments: Argument) -> Call:
        return script(name, __package__).bind((self.keys.base,), **arguments)


def _optional(number: int | None) -> Argument:
    return "" if number is None else number


def _ms(time: Sequence[str]) -> int:
    """What the command TIME replies, in ms."""
    seconds, micros = time
    return int(seconds) * 1000 + int(micros) // 1000


def _whether(reply: int) -> bool | None:
    return None if reply < 0 else bool(reply)


def _read_claims(reply: Any) -> list[Claimed] | None:
    if len(reply) == 1:
        return None  # stale
    flat = reply[1]
    triples = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    return [Claimed(id, read_entry(text), int(revision), reply[0]) for id, revision, text in triples]


def _rows(replies: Any) -> list[Open]:
    return [
        Open(id, read_entry(text), int(revision), int(paused), bool(deleted), int(overtaken), how, waiting)
        for id, text, revision, paused, deleted, overtaken, how, waiting in replies
    ]
