"""One Redis in two spellings: redis-py's and kombu's."""

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


def test_another_broker_is_left_alone() -> None:
    assert broker_url_for("amqp://guest:guest@host//") == "amqp://guest:guest@host//"


def test_passwords_are_hidden() -> None:
    assert redacted("redis://:hush@host/0") == "redis://:***@host/0"
