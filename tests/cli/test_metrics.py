"""`metrics`: Prometheus's text on stdout, and by HTTP."""

import contextlib
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from askfirst.cli.exits import Exit
from tests.cli.commands import Cli, lines_until
from tests.support.eventually import eventually
from tests.support.servers import RedisServer

Register = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]


def samples(text: str, parse: Any = prometheus) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and its labels' values in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def serve(cli: Cli, ended: Register, *listen: str) -> tuple["subprocess.Popen[str]", str]:
    """The process that serves, and its URL."""
    process = ended(cli.start("metrics", "--listen", *(listen or ("0",))))
    said = lines_until(process, "serving ")
    return process, said.split("serving ")[1].split(";")[0]


def get(url: str, accept: str = "") -> tuple[int, str, str]:
    """Status, content type and text of a page."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as page:
            return page.status, page.headers["Content-Type"], page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_the_fleets_figures(served: Cli) -> None:
    before = samples(served("metrics").stdout)
    served("submit", "cli.greet", "who=you")
    served("submit", "cli.fail", "text=boom")
    result = served("metrics")
    assert result.exit_code == Exit.OK
    found = samples(result.stdout)
    ended = "askfirst_works_ended_total"
    assert found[ended, "default", "", "COMPLETED"] == before.get((ended, "default", "", "COMPLETED"), 0) + 1
    assert found[ended, "default", "", "FAILED"] == before.get((ended, "default", "", "FAILED"), 0) + 1
    assert found["askfirst_slots", "default"] == 4
    assert found["askfirst_works_pending", "normal", "default"] == 0
    assert found["askfirst_foreseen_wait_seconds", "critical", "default"] == 0
    assert found["askfirst_limit_max_concurrent", "default", "", "cli.pull"] == 1
    assert found["askfirst_limit_held", "default", "", "cli.pull"] == 0
    assert ("askfirst_run_seconds_total", "default", "useful") in found
    assert ("askfirst_expected_run_seconds", "default", "cli.greet") in found
    heard = [value for (name, *_), value in found.items() if name == "askfirst_worker_last_heard_seconds"]
    assert len(heard) == 1
    assert heard[0] < 5


def test_rejections_are_counted_by_reason(unserved: Cli, cli_redis: RedisServer) -> None:
    from askfirst.interest.keys import LaneKeys

    with cli_redis.client() as redis:
        redis.hset(LaneKeys(unserved.namespace, "default").load, "max_pending", 1)
    codes = [unserved("submit", "cli.greet", "who=you", "--no-wait").exit_code for _ in range(3)]
    assert codes == [Exit.OK, Exit.REFUSED, Exit.REFUSED]
    found = samples(unserved("metrics").stdout)
    assert found["askfirst_works_rejected_total", "default", "full"] == 2
    assert found["askfirst_works_pending", "normal", "default"] == 1
    assert not [key for key in found if key[0] == "askfirst_foreseen_wait_seconds"]  # no worker: nobody knows


def test_every_metric_is_named_by_the_conventions_and_says_what_it_is(served: Cli) -> None:
    families = list(prometheus(served("metrics").stdout))
    assert len(families) >= 15
    for family in families:
        assert family.name.startswith("askfirst_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter")


def test_http_until_sigterm(served: Cli, ended: Register) -> None:
    process, url = serve(served, ended)
    assert url.startswith("http://127.0.0.1:")
    status, content_type, text = get(url)
    assert (status, content_type.split(";")[0]) == (200, "text/plain")
    assert samples(text)["askfirst_slots", "default"] == 4
    status, content_type, text = get(url, "application/openmetrics-text; version=1.0.0")
    assert (status, content_type.split(";")[0]) == (200, "application/openmetrics-text")
    assert samples(text, openmetrics)["askfirst_slots", "default"] == 4
    assert get(url.removesuffix("metrics"))[0] == 404
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")


def test_http_says_503_while_the_ledger_is_away(ended: Register) -> None:
    with contextlib.closing(RedisServer()) as server:
        _, url = serve(Cli(server.url(), "away"), ended)
        assert get(url)[0] == 200
        server.kill()
        status, _, text = get(url)
        assert status == 503
        assert text.startswith("the ledger is away: cannot reach Redis at redis://127.0.0.1:")
        server.start()
        eventually(lambda: get(url)[0] == 200, what="it is back")


def test_a_ledger_that_is_away() -> None:
    result = Cli("redis://127.0.0.1:1/0", "any")("metrics")
    assert (result.exit_code, result.stdout) == (Exit.LEDGER, "")
    assert "cannot reach Redis" in result.stderr


def test_a_taken_port(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = cli("metrics", "--listen", f"localhost:{taken.getsockname()[1]}")
    assert result.exit_code == Exit.USAGE
    assert "(Address already in use): choose another --listen" in result.stderr


@pytest.mark.parametrize("listen", ["", "http", "70000", "127.0.0.1", "::1:80", "127.0.0.1:"])
def test_wrong_addresses(cli: Cli, listen: str) -> None:
    result = cli("metrics", "--listen", listen)
    assert result.exit_code == Exit.USAGE
    assert "expected PORT, HOST:PORT or [IPv6]:PORT" in result.stderr


def test_ipv6(cli: Cli, ended: Register) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    _, url = serve(cli, ended, "[::1]:0")
    assert url.startswith("http://[::1]:")
    assert get(url)[0] == 200
