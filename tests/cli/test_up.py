"""`askfirst up` starts a fleet and leaves nothing of it behind."""

import base64
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from askfirst.cli import main
from askfirst.cli.exits import Exit
from tests.cli.commands import Cli, lines_until, start
from tests.support.eventually import eventually
from tests.support.servers import free_port

Register = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]


def children(pid: int) -> dict[int, str]:
    """The commands of a process's children, by their ids."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(each): Path(f"/proc/{each}/cmdline").read_text().replace("\0", " ") for each in pids}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_worker_and_flower_until_sigterm(cli: Cli, ended: Register, tmp_path: Path) -> None:
    config = tmp_path / "fleet.toml"
    config.write_text("[pools.cpu]\nconcurrency = 1\n")
    port = free_port()
    options = ["--import", "cli_works", "--flower-port", str(port)]
    fleet = ended(start("--config", str(config), *cli.options, "up", *options))
    said = lines_until(fleet, f"Flower: http://127.0.0.1:{port}")
    assert said.startswith("starting cpu, flower on redis://127.0.0.1:")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
        assert "Flower" in page.read().decode()
    # Flower may be up before the worker has published its types.
    greeting = eventually(lambda: cli("submit", "cli.greet", "who=fleet").stdout, within=30, what="the worker is there")
    assert greeting == "hello fleet\n"
    pids = children(fleet.pid)
    assert len(pids) == 2
    cli("submit", "cli.linger", "done=1", "total=2", "--no-wait", "--key", "long")
    eventually(lambda: "RUNNING" in cli("list", "--name", "cli.linger").stdout, what="a long work runs")
    fleet.send_signal(signal.SIGTERM)
    said += lines_until(fleet, "cpu    | worker: Warm shutdown")
    fleet.send_signal(signal.SIGTERM)  # again: it is not drained, the work is told to stop, and put back
    rest, _ = fleet.communicate(timeout=20)
    assert fleet.returncode == 0, rest
    assert "PENDING" in cli("status", "long").stdout
    assert all(gone(pid) for pid in pids)


def test_a_killed_up_takes_the_fleet_and_its_redis_along(ended: Register, tmp_path: Path) -> None:
    fleet = ended(start("--data-dir", str(tmp_path / "data"), "up", "--no-flower", cwd=tmp_path))
    lines_until(fleet, "ready.")
    (worker,) = children(fleet.pid)
    pool = children(worker)
    assert (tmp_path / "data/redis/redis.sock").exists()
    fleet.kill()
    eventually(lambda: all(map(gone, (worker, *pool))), what="the worker has ended")
    eventually(lambda: not (tmp_path / "data/redis/redis.sock").exists(), what="the embedded Redis has stopped")


def test_a_process_that_dies_stops_the_rest(cli: Cli, ended: Register, tmp_path: Path) -> None:
    config = tmp_path / "fleet.toml"
    config.write_text('[pools.a]\ntype = "threads"\nconcurrency = 1\n[pools.b]\nlanes = ["b"]\nconcurrency = 1\n')
    fleet = ended(start("--config", str(config), *cli.options, "up", "--no-flower"))
    lines_until(fleet, "ready.")
    pids = children(fleet.pid)
    (victim,) = [pid for pid, command in pids.items() if "--pool a" in command]
    subprocess.run(["kill", "-9", str(victim)], check=True)
    said, _ = fleet.communicate(timeout=20)
    assert fleet.returncode == Exit.FAILED
    assert said.endswith("askfirst: error: a was killed by SIGKILL: the rest was stopped\n")
    assert all(gone(pid) for pid in pids)


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["--data-dir", str(tmp_path / "data"), "up", "--flower-port", port])
    assert result.exit_code == Exit.USAGE
    assert result.stderr.startswith(
        f"askfirst: error: Flower can't listen on 127.0.0.1:{port} (Address already in use)"
    )
    assert not (tmp_path / "data").exists()


def test_flowers_revoke_button_works_with_a_password_and_only_then(cli: Cli, ended: Register) -> None:
    port = free_port()
    login = {"PYTHONUNBUFFERED": "1", "FLOWER_BASIC_AUTH": "me:secret"}
    options = ["--import", "cli_works", "--flower-port", str(port)]
    fleet = ended(start(*cli.options, "up", *options, env=os.environ | login))
    lines_until(fleet, f"Flower: http://127.0.0.1:{port}")
    # Flower may be up before the worker has published its types.
    eventually(lambda: cli("submit", "cli.greet", "who=you").exit_code == 0, within=30, what="the worker is there")
    id = cli("submit", "cli.linger", "done=1", "total=2", "--no-wait").stdout.strip()
    revoke = f"http://127.0.0.1:{port}/api/task/revoke/{id}"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(revoke, b"terminate=false", timeout=10)
    allowed = {"Authorization": f"Basic {base64.b64encode(b'me:secret').decode()}"}
    urllib.request.urlopen(urllib.request.Request(revoke, b"terminate=false", allowed), timeout=10).close()
    eventually(lambda: "revoked" in cli("status", id).stdout, what="the ledger knows")
