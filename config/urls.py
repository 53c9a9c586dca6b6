"""URLs of Redis and brokers: what is accepted, and how they are shown without their passwords."""

import re
from urllib.parse import urlsplit

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+socket")

# From the first colon to the last @: neither may a user with an @, nor a malformed URL, let a password slip out.
_PASSWORD = re.compile(r"(://[^:]*|^(?!.*://)[^:]*):.*@", re.DOTALL)
_SECRET_OPTION = re.compile(r"((?:password|passwd|secret|token)=)[^&;]*", re.IGNORECASE)
_NEXT_URL = re.compile(r"(;(?=[a-z0-9+.-]+://))")  # Celery accepts several brokers separated by semicolons


class Url(str):
    """A URL whose repr hides the password, so that no log line, traceback or settings print shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The URL in quotes, its password replaced by three asterisks."""
        return repr(redacted(self))


def redacted(url: str) -> str:
    """The URL with every password replaced by three asterisks; works on malformed URLs too."""
    return "".join(_SECRET_OPTION.sub(r"\1***", _PASSWORD.sub(r"\1:***@", part)) for part in _NEXT_URL.split(url))


def checked_redis_url(url: str) -> Url:
    """The URL, if a Redis can be reached by it.

    Raises ValueError for another scheme, a port that is no number, a socket URL without an absolute path, or a
    database that is no number. The text never shows the password.
    """
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        port_is_valid = False
    if "://" not in url or not port_is_valid or parts.scheme not in REDIS_SCHEMES:
        raise _not_a_redis_url(url)
    path = parts.path
    if parts.scheme in ("unix", "redis+socket"):
        if not path.startswith("/") or len(path) < 2:
            raise ValueError(
                f"expected the absolute path of a socket (as in unix:///run/redis.sock), got {redacted(url)!r}"
            )
    elif not re.fullmatch(r"/?|/\d+", path):
        raise ValueError(
            f"expected a database number after the host (as in redis://localhost/0), got {redacted(url)!r}"
        )
    return Url(url)


def checked_broker_url(url: str) -> Url:
    """The URL, if it looks like one kombu takes (scheme://…).

    Raises ValueError otherwise. The text never shows the password.
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+._-]*://", url):
        raise ValueError(f"expected a broker URL (as in amqp://host// or redis://host/0), got {redacted(url)!r}")
    return Url(url)


def checked_database_url(url: str) -> Url:
    """The URL, if it looks like one SQLAlchemy takes (dialect+driver://…).

    Raises ValueError otherwise. The text never shows the password.
    """
    if not re.match(r"[A-Za-z][A-Za-z0-9+_]*://", url):
        raise ValueError(f"expected a database URL (as in sqlite:///history.db), got {redacted(url)!r}")
    return Url(url)


def _not_a_redis_url(url: str) -> ValueError:
    schemes = ", ".join(f"{scheme}://" for scheme in REDIS_SCHEMES)
    return ValueError(f"expected a Redis URL ({schemes}, with a valid port), got {redacted(url)!r}")
