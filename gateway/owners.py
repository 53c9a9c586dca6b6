"""Whose a work is. It stands in the work's key, so that one owner's keys are never another's."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse

from .problems import Problem

LOCAL: Final = "local"
"""The owner where nobody has to say who they are."""

#: Each on a line of its own: Chromium reads the first challenge of a line only, and would not ask for the password.
_CHALLENGES: Final = ('Bearer realm="askfirst"', 'Basic realm="askfirst", charset="UTF-8"')


async def anybody(request: Request) -> str:
    """Everybody is the same owner: for a gateway that only its own machine can reach."""
    return LOCAL


def owner_of(request: Request) -> str:
    """Who asks, as the dependency of the routes has found out."""
    return str(request.state.askfirst_owner)


class Tokens:
    """Knows owners by their tokens: `Bearer TOKEN`, or `Basic` with the owner and the token, as browsers ask for it."""

    schemes: Final = {name: {"type": "http", "scheme": name} for name in ("bearer", "basic")}
    """As OpenAPI has them."""

    def __init__(self, tokens: Mapping[str, SecretStr]) -> None:
        self._tokens = {owner: token.get_secret_value().encode() for owner, token in tokens.items()}

    async def __call__(self, request: Request) -> str:
        """The owner. Raises `Problem`."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        claimed, token = None, given.strip().encode("utf-8", "replace")
        if scheme.lower() == "basic":
            claimed, token = _basic(given)
        # All are compared, each in constant time: how long it takes tells nothing.
        found = [
            owner
            for owner, known in self._tokens.items()
            if hmac.compare_digest(known, token) and claimed in (None, owner)
        ]
        if scheme.lower() not in ("basic", "bearer") or not found:
            raise _TokenNeeded(401, "unauthorized", "A token is needed")
        return found[0]


class _TokenNeeded(Problem):
    def response(self) -> JSONResponse:
        response = super().response()
        for challenge in _CHALLENGES:
            response.headers.append("WWW-Authenticate", challenge)
        return response


def _basic(given: str) -> tuple[str, bytes]:
    try:
        owner, _, token = b64decode(given, validate=True).partition(b":")
        return owner.decode(), token
    except ValueError:
        return "", b""


def key_of(owner: str, key: str | None) -> str:
    """The key of a work of this owner; without a key of their own, one that no other work has."""
    return f"{_prefix(owner)}key:{key}" if key is not None else f"{_prefix(owner)}one:{secrets.token_hex(16)}"


def is_of(owner: str, key: str | None) -> bool:
    """Whether a work of this key is this owner's."""
    return key is not None and key.startswith(_prefix(owner))


def shown_key(key: str | None) -> str | None:
    """The key as its owner gave it."""
    _, _, rest = (key or "").removeprefix("http:").partition(":")
    return rest.removeprefix("key:") if rest.startswith("key:") else None


def _prefix(owner: str) -> str:
    # A digest: owners may be called anything, and are nobody's business who looks into the ledger.
    return f"http:{hashlib.sha256(owner.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}:"
