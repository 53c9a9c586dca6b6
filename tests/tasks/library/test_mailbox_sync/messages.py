"""Real messages for the tests: those of CPython's own tests of its email package, good and broken, multiplied."""

import importlib.util
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from functools import cache
from pathlib import Path


@cache
def originals() -> tuple[bytes, ...]:
    """Messages as they are on the wire; made up where this Python came without its tests."""
    return tuple(on_the_wire(text) for text in _of_cpython() or _made_up())


def copies(count: int) -> Iterator[bytes]:
    """So many messages, of which no two are the same."""
    texts = originals()
    for number in range(count):
        # First of all headers, so that even those copies differ whose header is broken.
        yield b"Message-ID: <%d@copies.example>\r\n" % number + texts[number % len(texts)]


def on_the_wire(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _of_cpython() -> list[bytes]:
    try:
        package = importlib.util.find_spec("test.test_email")
    except ModuleNotFoundError:
        return []
    folders = package.submodule_search_locations if package else None
    return [path.read_bytes() for folder in folders or () for path in sorted(Path(folder, "data").glob("*.txt"))]


def _made_up() -> Iterator[bytes]:
    for number in range(20):
        message = EmailMessage(policy=SMTP)
        message["From"] = f"Zoë {number} <zoe{number}@example.org>"
        message["To"] = "list@example.org"
        message["Subject"] = f"Grüße, number {number}"
        if number % 5:
            message["Date"] = "Thu, 29 Feb 2024 12:00:00 +0100"
        message.set_content(f"Text {number}\n" * 50)
        if number % 3 == 0:
            message.add_attachment(bytes(range(256)) * number, maintype="application", subtype="octet-stream")
        yield message.as_bytes()
