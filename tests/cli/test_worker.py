"""`askfirst worker`: which pool it runs, when it refuses to start, how it ends."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from askfirst.cli.exits import Exit
from askfirst.cli.worker import choose_pool
from askfirst.config import PoolSettings, Settings
from tests.cli.commands import Cli, lines_until

Register = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]
TWO_POOLS = Settings(
    pools={"cpu": PoolSettings(concurrency=2), "io": PoolSettings(lanes=("a", "b"), concurrency=9, type="threads")}
)


def test_the_only_pool_is_the_one() -> None:
    only = PoolSettings(lanes=("a",), concurrency=3)
    assert choose_pool(Settings(pools={"one": only}), None, None, {}) == ("one", only)


def test_a_pool_is_chosen_by_name_and_changed_by_options() -> None:
    name, pool = choose_pool(TWO_POOLS, "io", None, {"concurrency": 4})
    assert (name, pool.lanes, pool.concurrency, pool.type) == ("io", ("a", "b"), 4, "threads")


def test_lanes_stand_for_a_pool_of_their_own() -> None:
    name, pool = choose_pool(TWO_POOLS, None, "x,y", {"concurrency": 1, "type": "threads"})
    assert (name, pool.lanes, pool.concurrency, pool.type) == ("x-y", ("x", "y"), 1, "threads")


@pytest.mark.parametrize(
    ("pool", "lanes", "said"),
    [
        (None, None, "several pools: choose one with --pool .cpu, io."),
        ("gpu", None, "no pool is called 'gpu': the settings have cpu, io"),
        ("io", "a", "exclude one another"),
        (None, "a b", "expected 1 to 64 letters"),
        (None, ",", "expected one or more different lanes"),
        (None, "[1]", "should be a valid string"),
    ],
)
def test_a_choice_that_cannot_be_is_said(pool: str | None, lanes: str | None, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        choose_pool(TWO_POOLS, pool, lanes, {})


def test_without_a_ledger_it_does_not_start() -> None:
    result = Cli("redis://127.0.0.1:1/0", "any")("worker")
    assert result.exit_code == Exit.LEDGER
    assert "cannot reach Redis" in result.stderr


def test_a_module_that_breaks_is_named_with_the_cause(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cli_broken_works.py").write_text("1 / 0")
    result = cli("worker", "--import", "cli_broken_works")
    assert result.exit_code == Exit.USAGE
    said = "askfirst: error: cannot import 'cli_broken_works': ZeroDivisionError: division by zero\n"
    assert result.stderr == said


@pytest.mark.parametrize(("number", "pool_type"), [(signal.SIGINT, "threads"), (signal.SIGTERM, "prefork")])
def test_it_greets_and_ends_on_a_signal_with_0(cli: Cli, ended: Register, number: int, pool_type: str) -> None:
    options = ["--lanes", "a,b", "--concurrency", "1", "--pool-type", pool_type, "--hostname", "w1@%h"]
    worker = ended(cli.start("worker", *options))
    said = lines_until(worker, "ready.")
    assert said.startswith("w1@")
    assert f": lanes a, b; {pool_type}, slots 1; work types 0\nledger redis://127.0.0.1:" in said
    assert "-- *** --" not in said  # Celery's own banner
    worker.send_signal(number)
    said, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0, said
    assert "Warm shutdown" in said


AMID_THE_FIRST = """
import os, signal
from celery.signals import worker_shutting_down

receivers_of, told = worker_shutting_down._live_receivers, []

def interrupted(sender):
    if not told:
        told.append(sender)
        with worker_shutting_down.lock:  # as Celery holds it for a moment
            os.kill(os.getpid(), signal.SIGTERM)
    return receivers_of(sender)

worker_shutting_down._live_receivers = interrupted
"""

AS_PYTHON_ENDS = """
import os

class Last:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, 15)

last = Last()
"""


@pytest.mark.parametrize("module", [AMID_THE_FIRST, AS_PYTHON_ENDS], ids=["amid the first", "as Python ends"])
def test_it_ends_with_0_whenever_it_is_told_again(cli: Cli, ended: Register, tmp_path: Path, module: str) -> None:
    (tmp_path / "told_again.py").write_text(module)
    options = ["--pool-type", "threads", "--import", "told_again"]
    worker = ended(cli.start("worker", *options, env=os.environ | {"PYTHONPATH": str(tmp_path)}))
    lines_until(worker, "ready.")
    worker.send_signal(signal.SIGTERM)
    said, _ = worker.communicate(timeout=20)
    assert worker.returncode == 0, said
