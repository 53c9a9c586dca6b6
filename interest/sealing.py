"""Signatures over what runs and what comes of it: HMAC-SHA256 (RFC 2104) by keys that Redis and the broker don't have.

A sealed text is `~SIGNATURE TEXT`, which no JSON is, so that who has no key can read it all the same.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

_MARK = "~"
_LENGTH = 43  # characters of a signature: 32 bytes in base64 without padding


class TamperedError(Exception):
    """A text is not what somebody with a key has written."""


class Seal:
    """The first key signs, all are good for checking. Without any key nothing is signed, and everything passes."""

    def __init__(self, namespace: str, keys: Sequence[str] = ()) -> None:
        self._namespace = namespace
        self._keys = [key.encode() for key in keys]

    @property
    def is_on(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def sign(self, *parts: str) -> str:
        """The signature of these parts, in this order."""
        return self._signature(self._keys[0], parts)

    def is_right(self, signature: object, *parts: str) -> bool:
        """Whether it is the signature of these parts by any of the keys."""
        return isinstance(signature, str) and any(
            hmac.compare_digest(self._signature(key, parts).encode(), signature.encode("utf-8", "replace"))
            for key in self._keys
        )

    def close(self, text: str, *about: str) -> str:
        """The text sealed, for what it is about."""
        return f"{_MARK}{self.sign(*about, text)} {text}" if self.is_on and text else text

    def open(self, sealed: str, *about: str) -> str:
        """The text of a sealed one. Raises `TamperedError` if it was sealed for something else, or without a key."""
        text = unsealed(sealed)
        if self.is_on and not self.is_right(sealed[1 : _LENGTH + 1], *about, text):
            raise TamperedError(f"{' '.join(about)}: not signed by anybody with the signing key")
        return text

    def _signature(self, key: bytes, parts: Sequence[str]) -> str:
        # Each part with its length, so that none can give to the next.
        encoded = [part.encode("utf-8", "surrogatepass") for part in (self._namespace, *parts)]
        message = b"".join(b"%d:%b" % (len(part), part) for part in encoded)
        return base64.urlsafe_b64encode(hmac.digest(key, message, "sha256")).rstrip(b"=").decode()


def unsealed(text: str) -> str:
    """The text of a sealed one, unchecked; one that is not sealed as it is."""
    return text[_LENGTH + 2 :] if text.startswith(_MARK) else text
