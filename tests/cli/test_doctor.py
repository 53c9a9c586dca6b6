"""`askfirst doctor` finds what is wrong and says what to do."""

import json
from typing import Any

import pytest

from askfirst.cli.exits import Exit
from tests.cli.commands import Cli
from tests.support.fakes import redis_that_says
from tests.support.servers import RedisServer


def findings(cli: Cli, code: Exit) -> dict[str, Any]:
    result = cli("doctor", "--json")
    assert result.exit_code == code, result.output
    return {each["subject"]: each for each in json.loads(result.stdout)}


def test_a_healthy_fleet(served: Cli) -> None:
    found = findings(served, Exit.OK)
    assert {each["health"] for each in found.values()} == {"ok", "info"}
    assert "noeviction" in found["Redis"]["text"]
    assert "cli.greet" in found["work types"]["text"]
    assert "workers 1" in found["lane default"]["text"]
    told = served("doctor").stdout
    assert told.startswith("ok    settings ")


def test_nobody_has_started_a_worker_yet(cli: Cli) -> None:
    found = findings(cli, Exit.OK)
    assert (found["work types"]["health"], found["lane default"]["health"]) == ("warn", "warn")
    assert "askfirst up" in found["lane default"]["advice"]


def test_works_that_wait_for_a_lane_without_workers(unserved: Cli) -> None:
    unserved("submit", "cli.greet", "who=you", "--no-wait")
    found = findings(unserved, Exit.FAILED)
    assert found["lane default"]["health"] == "fail"
    assert "pending 1" in found["lane default"]["text"]


def test_it_writes_nothing(cli: Cli, cli_redis: RedisServer) -> None:
    with cli_redis.client() as redis:
        before = sorted(redis.scan_iter(f"*{cli.namespace}*"))
        findings(cli, Exit.OK)
        assert sorted(redis.scan_iter(f"*{cli.namespace}*")) == before == []


def test_an_unreachable_redis() -> None:
    found = findings(Cli("redis://127.0.0.1:1/0", "any"), Exit.FAILED)
    assert found["Redis"]["health"] == "fail"
    assert "cannot reach Redis at redis://127.0.0.1:1/0" in found["Redis"]["text"]


def test_a_redis_that_evicts() -> None:
    with redis_that_says({"redis_version": "7.2.0", "maxmemory_policy": "allkeys-lru", "role": "master"}) as server:
        found = findings(Cli(server.url, "any"), Exit.FAILED)
    assert "set `maxmemory-policy noeviction`" in found["Redis"]["text"]


def test_wrong_settings() -> None:
    found = findings(Cli("http://nowhere", "any"), Exit.FAILED)
    assert list(found) == ["settings"]
    assert "expected redis_url to be a Redis URL" in found["settings"]["text"]


def test_an_unreachable_broker(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_BROKER_URL", "redis://user:hush@127.0.0.1:1/0")
    found = findings(cli, Exit.FAILED)
    assert found["broker"]["health"] == "fail"
    assert "cannot reach redis://user:***@127.0.0.1:1/0" in found["broker"]["text"]
