"""What an IMAP server says (RFC 3501), read."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from .mailboxes import Refused

# A response as imaplib gives it: for each literal a tuple of the line before it and the literal, then the last line.
Part = bytes | tuple[bytes, bytes]
Value = bytes | None | list["Value"]

_TOKEN = re.compile(
    rb"""\s*(?:
        (?P<parenthesis>[()])
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<literal>\{\d+\}$)
      | (?P<atom>(?:[^\s()"\[{]|\[[^\]]*\])+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class ResponseError(Refused, ValueError):
    """A response is not as the RFC wants it: as good as none."""


def whole_responses(parts: Iterable[Part | None]) -> Iterator[list[Part]]:
    """The responses of one kind, one by one; the last one, if it was cut off, is left out."""
    response: list[Part] = []
    for part in parts:
        if part is None:
            continue
        response.append(part)
        if isinstance(part, bytes):
            yield response
            response = []


def read(response: Sequence[Part]) -> list[Value]:
    """The values of a response: lists as lists, NIL as None, all else as bytes. Raises ResponseError."""
    nested: list[list[Value]] = [[]]
    for token in _tokens(response):
        if token is _List.BEGIN:
            nested.append([])
        elif token is _List.END:
            if len(nested) == 1:
                raise ResponseError("a parenthesis is closed that was never opened")
            closed = nested.pop()
            nested[-1].append(closed)
        else:
            nested[-1].append(token)
    if len(nested) > 1:
        raise ResponseError("a parenthesis is never closed")
    return nested[0]


def read_pairs(value: Value) -> dict[str, Value]:
    """A list of names and values, as in FETCH and STATUS; the names in capitals. Raises ResponseError."""
    if not isinstance(value, list) or len(value) % 2:
        raise ResponseError(f"expected pairs, got {value!r:.100}")
    return {text(name).upper(): item for name, item in zip(value[::2], value[1::2], strict=True)}


def text(value: Value) -> str:
    """A value that is a text. Raises ResponseError."""
    if not isinstance(value, bytes):
        raise ResponseError(f"expected a text, got {value!r:.100}")
    return value.decode("utf-8", "replace")


def texts(value: Value) -> list[str]:
    """A value that is a list of texts. Raises ResponseError."""
    if not isinstance(value, list):
        raise ResponseError(f"expected a list, got {value!r:.100}")
    return [text(item) for item in value]


def number(value: Value) -> int:
    """A value that is a number. Raises ResponseError."""
    if not isinstance(value, bytes) or not value.isdigit():
        raise ResponseError(f"expected a number, got {value!r:.100}")
    return int(value)


def moment(value: Value) -> datetime | None:
    """A value that is an INTERNALDATE, in UTC; None if it can't be read."""
    try:
        return parsedate_to_datetime(text(value)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):  # ResponseError is a ValueError
        return None


class _List(Enum):
    """Where a list begins and ends."""

    BEGIN = b"("
    END = b")"


def _tokens(response: Sequence[Part]) -> Iterator[bytes | _List | None]:
    for part in response:
        line, literal = (part, None) if isinstance(part, bytes) else part
        line = line.rstrip()
        position = 0
        while position < len(line):
            found = _TOKEN.match(line, position)
            if found is None:
                raise ResponseError(f"expected a token, got {line[position : position + 50]!r}")
            position = found.end()
            match found.lastgroup:
                case "parenthesis":
                    yield _List(found["parenthesis"])
                case "quoted":
                    yield _ESCAPED.sub(rb"\1", found["quoted"])
                case "atom":
                    yield None if found["atom"].upper() == b"NIL" else found["atom"]
                case _ if literal is not None:
                    yield literal
                case _:
                    raise ResponseError("a literal is announced and missing")
