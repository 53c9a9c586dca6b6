"""The deployment in real containers: it becomes healthy, answers, keeps its secrets, and survives what it must.

One fleet serves all tests of this file, in their order.
"""

import base64
import json
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from askfirst.config import Settings
from tests.support.eventually import eventually

from .deployment import DRAIN, Deployment
from .engine import ROOT, execute

pytestmark = pytest.mark.containers

SUBMIT = "from askfirst import submit_work; print(submit_work('example.wait', detached=True, {}).id)"
STATE = "from askfirst import status; print(status('{}').state)"
RESULT = "from askfirst import attach; print(attach('{}').result())"


def flower(deployment: Deployment, path: str, login: str | None) -> tuple[int, str]:
    """Flower's answer: status code and text."""
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    request = urllib.request.Request(f"http://127.0.0.1:{deployment.flower_port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.reason


def test_the_example_client_gets_its_answers(deployment: Deployment) -> None:
    said = deployment.compose("run", "--rm", "-T", "--no-deps", "client", timeout=120)
    assert "primes below 1,000,000: 78,498" in said
    assert "ZeroDivisionError" in said
    assert "told at the deadline" in said
    assert "the fleet works" in said


@pytest.mark.parametrize("login", [None, "operator:wrong", ":"])
@pytest.mark.parametrize("path", ["/", "/api/workers"])
def test_flower_tells_nothing_without_its_password(deployment: Deployment, path: str, login: str | None) -> None:
    assert flower(deployment, path, login)[0] == 401


def test_flower_shows_the_workers_to_whoever_has_the_password(deployment: Deployment) -> None:
    assert flower(deployment, "/", deployment.flower_login)[0] == 200
    hosts = {deployment.inspect(worker)["Config"]["Hostname"] for worker in deployment.containers("worker")}

    def shown() -> set[str]:
        workers = json.loads(flower(deployment, "/api/workers?refresh=1", deployment.flower_login)[1])
        return {name.partition("@")[2] for name in workers}

    eventually(lambda: shown() == hosts, within=20, every=0.5, what=f"Flower shows the workers of {hosts}")
    assert len(hosts) == 2


def test_redis_wants_its_password_and_shows_it_to_no_process_list(deployment: Deployment) -> None:
    assert "NOAUTH" in deployment.run_in("redis", "env", "--unset=REDISCLI_AUTH", "redis-cli", "dbsize")
    assert deployment.redis_password not in deployment.run_in("redis", "cat", "/proc/1/cmdline")


def test_nothing_runs_as_root(deployment: Deployment) -> None:
    assert deployment.run_in("worker", "id", "-u").strip() == "10001"
    assert deployment.run_in("redis", "id", "-un").strip() == "redis"


def test_a_worker_without_its_redis_is_not_healthy(deployment: Deployment) -> None:
    address = "redis://127.0.0.1:1/0"
    check = ("exec", "--env", f"ASKFIRST_REDIS_URL={address}", deployment.containers("worker")[0])
    done = deployment.engine.run(*check, "python", "worker_health.py", check=False)
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr


def test_works_survive_a_restart_of_redis_and_the_fleet_goes_on(deployment: Deployment) -> None:
    id = deployment.python(SUBMIT.format("seconds=0.1, timeout=90, delay=5"))
    deployment.compose("restart", "redis")
    deployment.wait_until_healthy()
    assert deployment.python(RESULT.format(id)) == "0.1"
    assert deployment.python(RESULT.format(deployment.python(SUBMIT.format("seconds=0.2, timeout=30")))) == "0.2"


def test_stopped_workers_end_what_they_can_and_put_back_the_rest(deployment: Deployment) -> None:
    short, long = (deployment.python(SUBMIT.format(f"seconds={seconds}, timeout=110")) for seconds in (4, 11))
    assert deployment.python(STATE.format(long)) == "RUNNING"
    within = DRAIN + Settings().grace + 5
    workers = deployment.containers("worker")

    started_at = time.monotonic()
    # As stop_grace_period, which old versions of podman-compose don't know.
    deployment.compose("stop", "-t", str(int(within)), "worker")
    took = time.monotonic() - started_at

    assert [deployment.inspect(worker)["State"]["ExitCode"] for worker in workers] == [0] * len(workers)
    assert took < within * len(workers)  # podman-compose stops one after the other
    states = f"from askfirst import status; print(*(status(id).state for id in {(short, long)}))"
    assert deployment.run_in("flower", "python", "-c", states).split() == ["COMPLETED", "PENDING"]

    deployment.compose("start", "worker")
    assert deployment.run_in("flower", "python", "-c", RESULT.format(long), timeout=90).strip() == "11.0"


def test_without_its_secrets_it_does_not_start_and_says_which(deployment: Deployment, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)}
    for name in ("REDIS_PASSWORD", "FLOWER_BASIC_AUTH"):
        done = execute(
            (*deployment.engine.compose, "ps"), timeout=30, check=False, folder=tmp_path, environment=environment
        )
        assert done.returncode != 0
        assert f"set {name}" in done.stdout + done.stderr
        environment[name] = "secret"


def test_taking_it_down_leaves_nothing(deployment: Deployment) -> None:
    deployment.stop()
    assert [deployment.containers(service) for service in ("redis", "worker", "flower", "client")] == [[]] * 4
    assert deployment.volumes() == []
