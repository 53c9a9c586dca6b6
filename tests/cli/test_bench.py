"""`bench` measures, and leaves nothing behind."""

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from askfirst.cli.exits import Exit
from tests.cli.commands import Cli
from tests.support.eventually import eventually
from tests.support.servers import RedisServer

Register = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]

KOMBUS = "_kombu.binding_deadlines"  # one for all that use a Redis


@pytest.fixture
def own_redis(cli: Cli) -> RedisServer:
    """A Redis that nobody else uses, and the command line on it."""
    server = RedisServer()
    cli.options[1] = server.url()
    yield server
    server.close()


def test_every_figure_is_measured_and_the_namespace_is_emptied(cli: Cli, own_redis: RedisServer) -> None:
    own_redis.client().set("somebody", "else")
    result = cli("bench", "--works", "100", "--concurrency", "1", "--json")
    assert result.exit_code == Exit.OK, result.output
    figures = json.loads(result.stdout)
    assert (figures["works"], figures["slots"]) == (100, 1)
    assert 0 < figures["ping_p50_ms"] < figures["round_trip_p50_ms"] <= figures["round_trip_p99_ms"]
    assert figures["submit_p50_ms"] < figures["round_trip_p50_ms"]
    assert figures["submit_many_per_s"] > figures["round_trips_per_s"] > 0
    assert set(own_redis.client().keys()) <= {"somebody", KOMBUS}


def test_interrupted_it_ends_its_worker_and_empties_the_namespace(
    cli: Cli, own_redis: RedisServer, ended: Register
) -> None:
    process = ended(cli.start("bench"))
    eventually(lambda: own_redis.client().keys("*:workers"), within=30, what="its worker beats")
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == Exit.INTERRUPTED, said
    assert set(own_redis.client().keys()) <= {KOMBUS}
