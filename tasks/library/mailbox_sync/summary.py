"""What the index keeps of a message's text: some headers, decoded, a digest, and what is wrong with it.

Mail is full of messages that are not as RFC 5322 and 2047 want them. None of them stops a sync: what can be read is
kept, and what can't be is named.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import parsedate_to_datetime

from .mailboxes import Fetched

# Headers of spam are as long as a server lets them be, and none of it makes a subject easier to find.
_LONGEST_TEXT = 2_000
_LONGEST_HEADER = 64 * 1024
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


@dataclass
class Summary:
    """What the index keeps; empty texts where the message doesn't say."""

    message_id: str = ""
    subject: str = ""
    sender: str = ""
    recipients: str = ""
    sent_at: datetime | None = None
    digest: str | None = None
    problems: list[str] = field(default_factory=list)


def summarise(message: Fetched) -> Summary:
    """Reads a message; never fails, whatever the message is made of."""
    summary = Summary()
    content = message.content
    if message.whole:
        summary.digest = hashlib.sha256(content).hexdigest()
    else:
        summary.problems.append(f"only its header was read: it has {message.described.size:,} bytes")
    end = _HEADER_END.search(content, 0, _LONGEST_HEADER)
    if end is None and len(content) > _LONGEST_HEADER:
        summary.problems.append("its header is too long to be true")
    _read_header(content[: end.end() if end else _LONGEST_HEADER], summary)
    return summary


def unreadable(why: str) -> Summary:
    """What is kept of a message that the server can't give."""
    return Summary(problems=[f"it can't be fetched: {why}"])


def _read_header(header: bytes, summary: Summary) -> None:
    try:
        message = BytesHeaderParser(policy=compat32).parsebytes(header)
    except Exception as error:  # a bug of the parser is no reason to stop a sync either
        summary.problems.append(f"its header can't be read: {type(error).__name__}")
        return
    if not message.keys():
        summary.problems.append("it has no header")
        return
    summary.problems += [f"its header is malformed: {type(defect).__name__}" for defect in message.defects]
    summary.message_id = _text(message, "Message-ID", summary)
    summary.subject = _text(message, "Subject", summary, decode=_decoded)
    summary.sender = _text(message, "From", summary, decode=_decoded)
    to_all = (_text(message, name, summary, decode=_decoded) for name in ("To", "Cc"))
    summary.recipients = ", ".join(text for text in to_all if text)
    summary.sent_at = _date(message, summary)
    if "From" not in message:
        summary.problems.append("it has no From")


def _text(message: "Message[str, str]", name: str, summary: Summary, decode: Callable[[str], str] | None = None) -> str:
    value = _raw(message, name)
    if value is None:
        return ""
    text = _legible(value)
    if text is None:
        summary.problems.append(f"its {name} has 8-bit characters that are not UTF-8")
        text = value.encode("ascii", "surrogateescape").decode("latin-1")
    if decode:
        try:
            text = decode(text)
        except (HeaderParseError, LookupError, ValueError) as error:  # UnicodeError is a ValueError
            summary.problems.append(f"its {name} can't be decoded: {error}")
    return _UNFIT.sub(" ", text).strip()[:_LONGEST_TEXT].encode("utf-8", "replace").decode()


def _date(message: "Message[str, str]", summary: Summary) -> datetime | None:
    value = _raw(message, "Date")
    if value is None:
        summary.problems.append("it has no Date")
        return None
    try:
        sent_at = parsedate_to_datetime(value)
        return sent_at.replace(tzinfo=UTC) if sent_at.tzinfo is None else sent_at.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        summary.problems.append("its Date can't be read")
        return None


def _raw(message: "Message[str, str]", name: str) -> str | None:
    """The value as it is in the message, with what is not ASCII as surrogates."""
    # `message[name]` would make a Header of the latter, which knows no UTF-8.
    return next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)


def _legible(value: str) -> str | None:
    """The value with its 8-bit characters as text, if they are UTF-8 (RFC 6532)."""
    try:
        return value.encode("ascii", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        return None


def _decoded(text: str) -> str:
    """Encoded words (RFC 2047) as text. Raises HeaderParseError, LookupError, UnicodeDecodeError."""
    if "=?" not in text:
        return text
    # Between two encoded words a space is no space; between anything else decode_header keeps it.
    return "".join(
        part if isinstance(part, str) else part.decode(charset or "latin-1") for part, charset in decode_header(text)
    )
