"""Requests that a page of another site makes a browser send, with the sign-in that the browser remembers."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from .problems import Problem

_OWN: Final = ("same-origin", "none")


def refuse_foreign(request: Request) -> None:
    """Raises `Problem` if a browser says that another site asks. Who is no browser says nothing, and may."""
    fetched = request.headers.get("sec-fetch-site")
    if fetched is None:
        # Older browsers, and all of them where there is no TLS.
        origin = request.headers.get("origin")
        own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    else:
        own = fetched in _OWN
    if not own:
        raise Problem(403, "foreign-origin", "Another site may not ask for this")
