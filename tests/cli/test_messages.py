"""`messages`: what workers could not run."""

import json
from collections.abc import Iterator

import pytest

from askfirst.cli.exits import Exit
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.messages import BadMessage, Flaw, set_aside
from tests.cli.commands import Cli
from tests.cli.test_metrics import samples
from tests.support.servers import RedisServer

_HOSTILE = "\x1b[2J\n\x9b31m‮"


@pytest.fixture
def ledger(cli: Cli, cli_redis: RedisServer) -> Iterator[Ledger]:
    ledger = Ledger(Line(cli_redis.url(), 2.0), cli.namespace, Policy())
    ledger.know_lanes(["default", "io"])
    yield ledger
    ledger.line.close()


def bad(flaw: Flaw, detail: str = "why", message: str = "text", id: str = "") -> BadMessage:
    return BadMessage(flaw, detail, "queue", "w1@here", message, len(message), id)


def test_they_are_listed_newest_first_with_their_numbers(cli: Cli, ledger: Ledger, cli_redis: RedisServer) -> None:
    set_aside(ledger, "default", {Flaw.BODY: 1}, [bad(Flaw.BODY, "truncated", id="default." + "0" * 32)])
    older = cli_redis.client().lpop(ledger.keys("default").aside).partition(" ")[2]
    cli_redis.client().lpush(ledger.keys("default").aside, f"1000 {older}")
    cli_redis.client().expire(ledger.keys("default").aside, 60)
    set_aside(ledger, "io", {Flaw.NO_JSON: 1}, [bad(Flaw.NO_JSON)])
    [_, first, second] = cli("messages", "list").stdout.splitlines()
    assert first.split()[:2] == ["1", "io"]
    assert second.split()[:2] == ["2", "default"]
    assert all(part in second for part in ("unreadable body", "truncated", "default." + "0" * 32))
    assert [each["lane"] for each in json.loads(cli("messages", "list", "--json", "--lane", "io").stdout)] == ["io"]


def test_one_is_shown_with_its_beginning(cli: Cli, ledger: Ledger) -> None:
    set_aside(ledger, "default", {Flaw.BODY: 1}, [bad(Flaw.BODY, message='{"headers":')])
    shown = cli("messages", "show", "1").stdout
    assert '{"headers":' in shown
    assert "w1@here" in shown
    assert json.loads(cli("messages", "show", "1", "--json").stdout)["reason"] == "unreadable body"
    assert cli("messages", "show", "2").exit_code == Exit.USAGE


def test_none_is_said_and_no_error(cli: Cli, ledger: Ledger) -> None:
    listed = cli("messages", "list")
    assert (listed.exit_code, listed.stdout, listed.stderr) == (0, "", "no messages were set aside\n")
    assert json.loads(cli("messages", "list", "--json").stdout) == []


def test_clearing_forgets_them_and_not_their_count(cli: Cli, ledger: Ledger) -> None:
    set_aside(ledger, "default", {Flaw.BODY: 250}, [bad(Flaw.BODY)] * 3)
    assert cli("messages", "clear").stdout == "3 messages are forgotten\n"
    assert json.loads(cli("messages", "clear", "--json").stdout) == {"forgotten": 0}
    assert json.loads(cli("messages", "list", "--json").stdout) == []
    assert samples(cli("metrics").stdout)["askfirst_messages_set_aside_total", "default", "unreadable body"] == 250
    [_, lane, *_] = cli("top", "--once", "--interval", "100ms").stdout.splitlines()[1:]
    assert "250" in lane
    assert json.loads(cli("top", "--json", "--interval", "100ms").stdout)["lanes"][0]["aside"] == {Flaw.BODY: 250}


def test_what_a_message_says_does_not_reach_the_terminal(cli: Cli, ledger: Ledger) -> None:
    set_aside(ledger, "default", {Flaw.BODY: 1}, [bad(Flaw.BODY, _HOSTILE, _HOSTILE)])
    for arguments in (("list",), ("show", "1")):
        told = cli("messages", *arguments).stdout
        assert not {"\x1b", "\x9b", "‮"} & set(told)
