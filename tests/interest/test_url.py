"""One Redis in two spellings: redis-py's and kombu's."""

import ssl

import kombu
import pytest
from kombu.utils.url import parse_url as parse_as_kombu

from askfirst.interest.url import broker_url_for, redacted, redis_url_for_client

SOCKETS = [
    ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
    ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ("unix://user:p%40ss@/run/my%20redis.sock?db=0", "redis+socket://user:p%40ss@/run/my%20redis.sock?virtual_host=0"),
]


@pytest.mark.parametrize(("client", "broker"), SOCKETS)
def test_a_socket_is_spelt_for_each_library(client: str, broker: str) -> None:
    assert broker_url_for(client) == broker
    assert redis_url_for_client(broker) == client
    assert (broker_url_for(broker), redis_url_for_client(client)) == (broker, client)


@pytest.mark.parametrize("url", ["redis://user:pass@host:6380/3", "rediss://host/0?ssl_cert_reqs=none", "redis://"])
def test_a_url_that_both_take_stays(url: str) -> None:
    assert broker_url_for(url) == redis_url_for_client(url) == url


def test_a_database_given_as_an_option_reaches_kombu() -> None:
    assert broker_url_for("rediss://host:1/0?ssl_cert_reqs=none&db=4") == "rediss://host:1/4?ssl_cert_reqs=none"
    assert parse_as_kombu(broker_url_for("redis://host?db=4"))["virtual_host"] == "4"


@pytest.mark.parametrize("option", ["socket_timeout=1", "health_check_interval=9", "client_name=x", "protocol=2"])
def test_options_of_redis_py_do_not_reach_kombu(option: str) -> None:
    assert kombu.Connection(broker_url_for(f"redis://host/3?{option}")).virtual_host == "3"
    assert broker_url_for(f"unix:///run/redis.sock?db=3&{option}") == "redis+socket:///run/redis.sock?virtual_host=3"


@pytest.mark.parametrize(
    ("client", "broker"),
    [
        ("redis://host/0?username=me&password=p%40ss", "redis://me:p%40ss@host/0"),
        ("redis://me@host/0?password=p%40ss", "redis://me:p%40ss@host/0"),
        ("unix://me@/run/redis.sock?password=p%40ss", "redis+socket://me:p%40ss@/run/redis.sock"),
    ],
)
def test_a_login_given_as_options_reaches_kombu(client: str, broker: str) -> None:
    assert broker_url_for(client) == broker


def test_kombu_checks_certificates_as_redis_py_does() -> None:
    for url in ("rediss://host/0", "rediss://host/0?ssl_ca_certs=/ca.crt", "rediss://host/0?socket_timeout=1"):
        assert parse_as_kombu(broker_url_for(url))["ssl"]["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert parse_as_kombu(broker_url_for("rediss://host/0?ssl_cert_reqs=none"))["ssl"]["ssl_cert_reqs"] == ssl.CERT_NONE


def test_celerys_spelling_of_certificate_checks_is_understood() -> None:
    assert redis_url_for_client("rediss://h/0?ssl_cert_reqs=CERT_NONE") == "rediss://h/0?ssl_cert_reqs=none"


def test_another_broker_is_left_alone() -> None:
    assert broker_url_for("amqp://guest:guest@host//") == "amqp://guest:guest@host//"


def test_passwords_are_hidden() -> None:
    assert redacted("redis://:hush@host/0") == "redis://:***@host/0"
