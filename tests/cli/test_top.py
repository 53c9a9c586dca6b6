"""`top`: one snapshot, or the fleet live on a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from askfirst.cli.exits import Exit
from askfirst.cli.figures import Figures, LaneRates, rates_between
from askfirst.cli.keyboard import Keyboard
from askfirst.cli.screen import Screen, page_of, share_rows
from askfirst.interest.activity import TypeActivity, WorkerActivity
from askfirst.interest.keys import LaneKeys, lanes
from askfirst.interest.load import IMPORTANCES, LaneLoad, Waiting
from tests.cli.commands import HERE, Cli
from tests.support.eventually import eventually
from tests.support.servers import RedisServer

LINES, COLUMNS = 30, 120
LEFT = "\x1b[?1049l"  # the terminal is as it was before
MANY = 10_000


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, cli: Cli, *arguments: str) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        command = [sys.executable, "-m", "askfirst", *cli.options, *arguments]
        environment = os.environ | {"TERM": "xterm-256color"}
        # A session of its own, whose terminal this becomes: Ctrl-C reaches it as it does a user's.
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=HERE, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self.modes = termios.tcgetattr(slave)
        self.slave = slave

    def see(self, *texts: str, within: float = 20) -> None:
        """Waits until the screen has shown all of these since the last key."""
        give_up_at = time.monotonic() + within
        while not all(text in self.screen for text in texts):
            left = give_up_at - time.monotonic()
            assert left > 0, f"not seen within {within} s: {texts} in {self.screen[-6000:]}"
            if select.select([self._master], [], [], left)[0]:
                self.screen += os.read(self._master, 65536).decode()

    def press(self, key: str) -> None:
        self.screen = ""
        os.write(self._master, key.encode())

    def end(self) -> int:
        """Its exit code; the terminal must be as it was before."""
        self.see(LEFT)
        code = self.process.wait(10)
        assert termios.tcgetattr(self.slave) == self.modes
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    with contextlib.ExitStack() as stack:

        def open_terminal(*arguments: Any) -> Terminal:
            return stack.enter_context(contextlib.closing(Terminal(*arguments)))

        yield open_terminal


def test_live_on_a_terminal_until_q(served: Cli, terminal: Callable[..., Terminal]) -> None:
    served("submit", "cli.linger", "done=1", "total=2", "--no-wait", "--key", "watched")
    eventually(lambda: "RUNNING" in served("status", "watched").stdout, what="a work runs")
    shown = terminal(served, "top", "--interval", "200ms")
    shown.see("askfirst served on redis://127.0.0.1:", "default", "1/4", "cli.linger", "default-", "last heard")
    served("cancel", "watched")
    shown.see("0/4")
    shown.press("x")
    assert shown.process.poll() is None
    shown.press("q")
    assert shown.end() == 0


@pytest.mark.parametrize("stop", ["\x03", signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_it_in_order(cli: Cli, terminal: Callable[..., Terminal], stop: Any) -> None:
    shown = terminal(cli, "top")
    shown.see("no lanes", "no work types", "no workers")
    if isinstance(stop, str):
        shown.press(stop)
    else:
        shown.process.send_signal(stop)
    assert shown.end() == 0


def test_an_outage_is_shown_and_sat_out(terminal: Callable[..., Terminal]) -> None:
    with contextlib.closing(RedisServer()) as server:
        shown = terminal(Cli(server.url(), "away"), "top", "--interval", "200ms")
        shown.see("askfirst away on")
        server.kill()
        shown.see(" s old: ")
        shown.screen = ""
        server.start()
        shown.see("askfirst away on")
        shown.press("Q")
        assert shown.end() == 0


def test_a_pipe_gets_one_snapshot(served: Cli) -> None:
    snapshot = served.start("top", "--interval", "200ms", stderr=subprocess.PIPE)
    out, err = snapshot.communicate(timeout=30)
    assert (snapshot.returncode, err) == (0, "")
    parts = [part.splitlines() for part in out.rstrip().split("\n\n")]
    assert [part[0].split()[0] for part in parts] == ["askfirst", "work", "worker"]
    assert parts[0][1].split()[:4] == ["lane", "critical", "normal", "sheddable"]
    assert parts[0][2].startswith("default ")
    assert parts[2][1].startswith("default-")
    assert "\x1b" not in out


def test_programs_get_rates_too(served: Cli) -> None:
    snapshot = served.start("top", "--json", "--interval", "2s", stderr=subprocess.PIPE)
    while snapshot.poll() is None:
        assert served("submit", "cli.greet", "who=top").exit_code == Exit.OK
    out, err = snapshot.communicate(timeout=30)
    assert (snapshot.returncode, err) == (0, "")
    found = json.loads(out)
    (lane,) = found["lanes"]
    assert (lane["lane"], lane["slots"], lane["held"], lane["dead"]) == ("default", 4, 0, 0)
    assert lane["waiting"]["normal"]["foreseen_wait"] == 0
    assert lane["rates"]["goodput"] > 0
    assert lane["rates"]["useful_share"] == 1
    assert lane["rates"]["wasted_share"] in (0, None)  # None where no run took a millisecond
    assert lane["rates"]["rejected"] == 0
    (worker,) = found["workers"]
    assert worker["slots"] == 4
    assert worker["silence"] < 5
    assert "cli.greet" in {each["name"] for each in found["types"]}


def test_looking_writes_nothing(unserved: Cli, cli_redis: RedisServer) -> None:
    assert unserved("submit", "cli.greet", "who=you", "--no-wait").exit_code == Exit.OK

    def dump() -> dict[str, Any]:
        with cli_redis.client() as redis:
            read = {
                "hash": redis.hgetall,
                "set": redis.smembers,
                "string": redis.get,
                "list": lambda key: redis.lrange(key, 0, -1),
                "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
            }
            return {key: read[redis.type(key)](key) for key in redis.scan_iter(f"*{unserved.namespace}*")}

    before = dump()
    assert len(before) > 5
    assert unserved("top", "--once", "--interval", "100ms").exit_code == Exit.OK
    assert unserved("metrics").exit_code == Exit.OK
    assert unserved("limits").exit_code == Exit.OK
    assert dump() == before


def test_ten_thousand_of_everything(cli: Cli, cli_redis: RedisServer) -> None:
    names = LaneKeys(cli.namespace, "crowd")
    with cli_redis.client() as redis:
        seconds, micros = redis.time()
        now = seconds * 1000 + micros // 1000
        redis.sadd(lanes(cli.namespace), "crowd")
        redis.zadd(names.workers, {f"worker-{n:05}": now for n in range(MANY)})
        redis.hset(names.slots, mapping={f"worker-{n:05}": 4 for n in range(MANY)})
        redis.hset(names.runtimes, mapping={f"type-{n:05}": f"{n}.5 1.0 {now}" for n in range(MANY)})
        redis.hset(names.limits, mapping={f"declared type-{n:05}": "5 - -" for n in range(MANY)})
        redis.zadd(names.index("HELD"), {f"type-{n:05}": now for n in range(MANY)})
        redis.zadd(names.held("type-00077"), {"a": 1, "b": 2})
    began_at = time.monotonic()
    result = cli("top", "--once", "--interval", "100ms")
    assert time.monotonic() - began_at < 10
    assert result.exit_code == Exit.OK
    assert "work types 1 to 19 of 10,000" in result.stdout
    assert "workers 1 to 19 of 10,000" in result.stdout
    assert len(result.stdout.splitlines()) < 60
    assert result.stdout.index("type-00077") < result.stdout.index("type-00000")  # the busiest first
    found = json.loads(cli("top", "--json", "--interval", "100ms").stdout)
    assert (len(found["workers"]), len(found["types"]), found["lanes"][0]["held"]) == (MANY, MANY, 2)


@pytest.mark.parametrize("arguments", [("--interval", "soon"), ("--interval", "0"), ("--interval", "-2s")])
def test_wrong_intervals(cli: Cli, arguments: tuple[str, ...]) -> None:
    result = cli("top", *arguments)
    assert result.exit_code == Exit.USAGE
    assert "--interval" in result.stderr


def test_a_ledger_that_is_away() -> None:
    result = Cli("redis://127.0.0.1:1/0", "any")("top", "--once")
    assert (result.exit_code, result.stdout) == (Exit.LEDGER, "")


# What is shown


def figures(*, at: float = 0.0, workers: int = 1, types: int = 1, **load: Any) -> Figures:
    values: dict[str, Any] = {"slots": 4, "running": 2, "pending": 6, "dead": None, "ended": {}, "rejected": {}}
    values |= {"aside": {}, "overstayed": 0, "useful": 0.0, "wasted": 0.0} | load
    waiting = {importance: Waiting(2, 3.0, None) for importance in IMPORTANCES}
    return Figures(
        at=at,
        lanes=[LaneLoad(lane="fast", waiting=waiting, **values)],
        types=[TypeActivity("fast", f"type-{n}", 0, None) for n in range(types)],
        limits=[],
        workers=[WorkerActivity("fast", f"worker-{n}", 4, 2, 9.0 if n == 3 else 0.5) for n in range(workers)],
    )


def lines(screen: Screen, *, height: int = LINES, width: int = COLUMNS) -> list[str]:
    console = Console(width=width, height=height, color_system=None, force_terminal=True)
    with console.capture() as captured:
        console.print(screen)
    return captured.get().splitlines()


def test_a_screen_is_never_taller_than_the_terminal_and_every_row_has_its_page() -> None:
    crowd = figures(workers=MANY, types=MANY)
    for height in (24, 25, 50):
        assert len(lines(Screen("title", crowd, {}), height=height)) <= height
    shown = "\n".join("\n".join(lines(Screen("title", figures(workers=40, types=3), {}, page=n))) for n in range(4))
    assert all(f"worker-{n} " in shown for n in range(40))


def test_silent_workers_come_first() -> None:
    shown = lines(Screen("title", figures(workers=40), {}))
    first = next(n for n, line in enumerate(shown) if line.startswith("worker ")) + 1
    assert shown[first].startswith("worker-3 ")
    assert "9.0 s ago" in shown[first]


def test_unknown_figures_are_left_open() -> None:
    row = lines(Screen("title", figures(), {}))[2].split()
    assert row == ["fast", "2", "2", "2", "0", "–", "0", "2/4", "no", "worker", "–", "–", "–", "–"]


def test_names_do_not_push_figures_away() -> None:
    wide = figures()
    wide = Figures(0.0, wide.lanes, [TypeActivity("fast", "n" * 200, 7, 1.5)], [], [])
    shown = next(line for line in lines(Screen("title", wide, {})) if line.startswith("nnn"))
    assert shown.split()[1:] == ["fast", "7", "0", "1.5", "s"]


def test_rates_are_differences_of_totals() -> None:
    before = figures(at=10.0, ended={"COMPLETED": 5, "EXPIRED: deadline passed": 1}, useful=1.0, wasted=1.0)
    now = figures(
        at=12.0,
        ended={"COMPLETED": 9, "EXPIRED: deadline passed": 3},
        rejected={"full": 2},
        useful=4.0,
        wasted=2.0,
    )
    assert rates_between(before, now) == {"fast": LaneRates(2.0, 0.5, 0.25, 1.0)}
    assert rates_between(now, now)["fast"] == LaneRates(0.0, None, None, 0.0)


def test_a_ledger_that_began_anew_has_no_negative_rates() -> None:
    before = figures(at=10.0, ended={"COMPLETED": 5}, useful=1.0)
    assert rates_between(before, figures(at=12.0)) == {"fast": LaneRates(0.0, None, None, 0.0)}


def test_rows_go_where_they_are_needed() -> None:
    assert share_rows(30, [1, 2, 3]) == [3, 3, 3]
    given = share_rows(30, [1, MANY, MANY])
    assert given[1] >= 13
    assert sum(given) <= 32
    assert share_rows(0, [MANY, MANY, MANY]) == [3, 3, 3]


def test_pages_go_round() -> None:
    assert page_of("abc", 3, 5) == ("abc", 0)
    assert [page_of("abcde", 3, page)[0] for page in range(4)] == ["ab", "cd", "e", "ab"]


def test_there_are_no_keys_from_a_closed_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    keyboard = Keyboard()
    keyboard.open()
    assert keyboard.wait(0) == ""
    keyboard.close()
