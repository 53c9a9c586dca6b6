"""The same Redis, in the URL that redis-py takes and in the one that kombu and Celery take."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ..config.urls import redacted

__all__ = ["broker_url_for", "redacted", "redis_url_for_client"]

_CELERYS_CHECK = re.compile(r"(?<=[?&]ssl_cert_reqs=)CERT_(\w+)")


def redis_url_for_client(url: str) -> str:
    """The URL for redis-py: kombu's `redis+socket://…?virtual_host=N` becomes `unix://…?db=N`, others stay.

    How certificates are checked may be said as Celery does: `ssl_cert_reqs=CERT_NONE`.
    """
    parts = urlsplit(url)
    if parts.scheme != "redis+socket":
        return _CELERYS_CHECK.sub(lambda found: found[1].lower(), url)
    options = {"db" if name == "virtual_host" else name: value for name, value in parse_qsl(parts.query)}
    return _joined("unix", parts.netloc, parts.path, options)


def broker_url_for(url: str) -> str:
    """The URL for kombu: redis-py's `unix://…?db=N` becomes `redis+socket://…?virtual_host=N`.

    Database and login move out of the options, where kombu does not look for them. Of the others those of TLS stay:
    kombu stumbles over the rest.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "unix":
        database = {"virtual_host": options["db"]} if "db" in options else {}
        return _joined("redis+socket", _with_login(parts.netloc, options), parts.path, database)
    if parts.scheme not in ("redis", "rediss"):
        return url
    kept = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if parts.scheme == "rediss":
        # redis-py checks certificates unless told not to, kombu only if told anything about TLS.
        kept.setdefault("ssl_cert_reqs", "required")
    if kept == options:
        return url
    path = f"/{options['db']}" if "db" in options else parts.path
    return _joined(parts.scheme, _with_login(parts.netloc, options), path, kept)


def _with_login(netloc: str, options: Mapping[str, str]) -> str:
    login, _, host = netloc.rpartition("@")
    user, _, password = login.partition(":")
    user = user or quote(options.get("username", ""), safe="")
    password = password or quote(options.get("password", ""), safe="")
    login = f"{user}:{password}" if password else user
    return f"{login}@{host}" if login else host


def _joined(scheme: str, netloc: str, path: str, options: Mapping[str, str]) -> str:
    query = f"?{urlencode(options)}" if options else ""
    # urlunsplit would drop an empty host and its slashes for a scheme it doesn't know.
    return f"{scheme}://{netloc}{path}{query}"
