"""The same Redis, in the URL that redis-py takes and in the one that kombu and Celery take."""

from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from ..config.urls import redacted

__all__ = ["broker_url_for", "redacted", "redis_url_for_client"]


def redis_url_for_client(url: str) -> str:
    """The URL for redis-py: kombu's `redis+socket://…?virtual_host=N` becomes `unix://…?db=N`, others stay."""
    parts = urlsplit(url)
    return _socket_url(parts, "unix", "virtual_host", "db") if parts.scheme == "redis+socket" else url


def broker_url_for(url: str) -> str:
    """The URL for kombu: redis-py's `unix://…?db=N` becomes `redis+socket://…?virtual_host=N`, others stay.

    A `db` option of redis:// and rediss:// moves into the path, because kombu would pass over it.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _socket_url(parts, "redis+socket", "db", "virtual_host")
    options = dict(parse_qsl(parts.query))
    if parts.scheme in ("redis", "rediss") and "db" in options:
        database = options.pop("db")
        return urlunsplit(parts._replace(path=f"/{database}", query=urlencode(options)))
    return url


def _socket_url(parts: SplitResult, scheme: str, old_option: str, new_option: str) -> str:
    options = [(new_option if name == old_option else name, value) for name, value in parse_qsl(parts.query)]
    query = f"?{urlencode(options)}" if options else ""
    # urlunsplit would drop the empty host and its slashes for a scheme it doesn't know.
    return f"{scheme}://{parts.netloc}{parts.path}{query}"
