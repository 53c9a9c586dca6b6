"""The source: asked once, within a limit; its whole answer or none."""

import asyncio
import math
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx

from .errors import PullRefused, SourceUnavailable, WrongContent
from .options import PullContext

FETCH_SECONDS = 120.0
LARGEST = 64 * 1024 * 1024  # bytes, unpacked

# What asks for patience, beside 5xx: too often, or too early, right after the close.
_LATER = frozenset({404, 408, 425, 429})


@dataclass(frozen=True)
class Answer:
    """What the source gave: its media type, its text, and its size in bytes, unpacked."""

    media: str
    text: str
    bytes: int


def address_of(source: str, exchange: str, day: date) -> str:
    """The address of an exchange's day."""
    return source.replace("{exchange}", quote(exchange)).replace("{day}", day.isoformat())


async def fetch(ctx: PullContext, address: str) -> Answer:
    """Ask the source; raises SourceUnavailable, PullRefused and WrongContent."""
    try:
        with ctx.limit(FETCH_SECONDS) as limit:
            # Of the whole: a source that gives a byte now and then keeps within any limit of a single read.
            async with asyncio.timeout(limit.remaining()):
                return await _get(address)
    except TimeoutError:
        raise SourceUnavailable(f"{address}: no whole answer within {FETCH_SECONDS:g} s") from None
    except httpx.TooManyRedirects as error:
        raise PullRefused(f"{address}: {error}") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise PullRefused(f"{address}: {error}") from error
    except (httpx.HTTPError, zlib.error) as error:
        raise SourceUnavailable(f"{address}: {str(error) or type(error).__name__}") from error


async def _get(address: str) -> Answer:
    headers = {"Accept": "application/json, text/csv", "Accept-Encoding": "gzip"}
    async with (
        httpx.AsyncClient(timeout=None, follow_redirects=True, headers=headers) as client,
        client.stream("GET", address) as response,
    ):
        _require_success(address, response)
        if "content-length" not in response.headers and "chunked" not in response.headers.get("transfer-encoding", ""):
            raise WrongContent(f"{address}: its end can't be told from a break: no Content-Length, and not chunked")
        body = await _body(address, response)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongContent(f"{address}: expected UTF-8: {error}") from error
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Answer(media, text, len(body))


async def _body(address: str, response: httpx.Response) -> bytearray:
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding not in ("", "identity", "gzip"):
        raise WrongContent(f"{address}: expected no Content-Encoding, or gzip, got {coding!r:.100}")
    gzip = _Gzip() if coding == "gzip" else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += gzip.unpack(chunk, LARGEST - len(body)) if gzip else chunk
        if len(body) > LARGEST:
            raise WrongContent(f"{address}: more than {LARGEST:,} bytes")
    if gzip and not gzip.whole:
        raise SourceUnavailable(f"{address}: its gzip is cut off")
    return body


class _Gzip:
    """A gzip with all its members (RFC 1952, 2.2), where httpx stops after the first and takes a cut one for whole."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    @property
    def whole(self) -> bool:
        """Whether the last member has come to its end."""
        return self._member.eof

    def unpack(self, data: bytes, most: int) -> bytes:
        """What comes out; where that is more than `most` bytes, so much of it that this can be seen."""
        unpacked = bytearray()
        while data and len(unpacked) <= most:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            unpacked += self._member.decompress(data, most + 1 - len(unpacked))
            data = self._member.unused_data
        return bytes(unpacked)


def _require_success(address: str, response: httpx.Response) -> None:
    status = f"{address}: {response.status_code} {response.reason_phrase}".rstrip()
    if response.status_code in _LATER or response.is_server_error:
        raise SourceUnavailable(status, _retry_after(response.headers))
    if response.status_code != httpx.codes.OK:
        raise PullRefused(status)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds, from a number of them or a date (RFC 9110, 10.2.3); None where nothing is said that can be read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        # By the server's own clock, where it tells the time.
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        seconds = (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(math.ceil(seconds), 0)
