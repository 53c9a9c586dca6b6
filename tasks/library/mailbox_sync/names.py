"""What an IMAP server is told: names of folders, and sets of UIDs, as it takes them."""

import base64
import binascii
import re
from collections.abc import Sequence

_SHIFTED = re.compile(r"&([^-]*)-")
_TO_SHIFT = re.compile(r"&|[^\x20-\x7e]+")


def quoted(name: str) -> str:
    """A folder's name as an argument of a command: modified UTF-7 (RFC 3501, 5.1.3), in quotes."""
    escaped = _TO_SHIFT.sub(_shift, name).replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def plain(name: str) -> str:
    """A folder's name as people write it; unchanged if it isn't modified UTF-7."""
    try:
        return _SHIFTED.sub(_unshift, name)
    except (binascii.Error, UnicodeError):
        return name


def uid_set(uids: Sequence[int]) -> str:
    """Ascending UIDs as a set: "1:3,7"."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(f"{first}:{last}" if last > first else f"{first}" for first, last in runs)


def _shift(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    encoded = base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{encoded}-"


def _unshift(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    encoded = found[1].replace(",", "/")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("utf-16-be")
