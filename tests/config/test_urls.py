"""URLs are checked, and never shown with a password."""

import pytest

from askfirst.config.urls import Url, checked_broker_url, checked_database_url, checked_redis_url, redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://token@host", "redis://token@host"),
        ("redis://:hush@host/0", "redis://:***@host/0"),
        ("rediss://user:hush@host:1/0", "rediss://user:***@host:1/0"),
        ("redis://user:hu/s@h@host/0", "redis://user:***@host/0"),
        ("unix://user:hush@/run/redis.sock", "unix://user:***@/run/redis.sock"),
        ("redis://host/0?password=hush&db=1", "redis://host/0?password=***&db=1"),
        ("amqp://a:hush@one//;amqp://b:hush@two//", "amqp://a:***@one//;amqp://b:***@two//"),
        ("user:hush@host", "user:***@host"),
        ("redis//user:hush@host", "redis//user:***@host"),
        ("redis://me@corp.com:hush@host/0", "redis://me@corp.com:***@host/0"),
        ("postgresql+psycopg://me@server:hush@host/db", "postgresql+psycopg://me@server:***@host/db"),
        ("redis://a/b:hush@host/0", "redis://a/b:***@host/0"),
        ("me@corp.com:hush@host", "me@corp.com:***@host"),
    ],
)
def test_a_password_is_hidden_even_in_a_malformed_url(url: str, shown: str) -> None:
    assert redacted(url) == shown
    assert repr(Url(url)) == repr(shown)


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://host",
        "redis://user:pass@host:6380/3?socket_timeout=1",
        "redis://[::1]:6379/0",
        "rediss://host/0?ssl_cert_reqs=none",
        "unix:///run/redis.sock?db=2",
        "redis+socket:///run/redis.sock?virtual_host=2",
    ],
)
def test_every_form_of_redis_url_is_accepted_as_it_is(url: str) -> None:
    assert checked_redis_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "host:6379", "http://host", "redis://host:port", "redis://host:99999", "redis://host:0", "redis://host/name",
     "unix://redis.sock", "unix://", "redis+socket:///"],
)  # fmt: skip
def test_what_is_no_redis_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got "):
        checked_redis_url(url)


def test_a_broker_url_needs_a_scheme_and_nothing_else() -> None:
    assert checked_broker_url("memory://") == "memory://"
    assert checked_broker_url("amqp://a:b@one//;amqp://c:d@two//")
    with pytest.raises(ValueError, match=r"expected a broker URL .*, got 'user:\*\*\*@host'"):
        checked_broker_url("user:hush@host")


def test_a_database_url_needs_a_dialect_and_nothing_else() -> None:
    for url in ("sqlite:///history.db", "postgresql+psycopg://me:hush@host/audit"):
        assert checked_database_url(url) == url
    with pytest.raises(ValueError, match=r"expected a database URL .*, got 'user:\*\*\*@host'"):
        checked_database_url("user:hush@host")
