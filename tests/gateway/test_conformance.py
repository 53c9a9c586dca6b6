"""The gateway does what its OpenAPI document says: schemathesis, with all its checks, finds nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.served import TOKENS, Served
from tests.support.fleet import Fleet
from tests.support.processes import environment

HERE = Path(__file__).parent
HARMLESS = "add|describe|make_thing|double|fail|now"  # whatever they are given


@pytest.mark.parametrize(
    ("cases", "types", "how"),
    [
        (5, "add", ("--generation-deterministic", "--phases", "fuzzing,stateful")),
        pytest.param(100, HARMLESS, ("--generation-database", "none"), marks=pytest.mark.slow),
    ],
    ids=["few", "many"],
)
def test_schemathesis_finds_nothing(
    served: Served, fleet: Fleet, tmp_path: Path, cases: int, types: str, how: tuple[str, ...]
) -> None:
    paths = rf"^/v1/(types|openapi\.json|work|work/\{{id\}}.*|work/tests\.support\.works\.({types}))$"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{served.url}/v1/openapi.json", "--url", served.url, "--no-color", "--continue-on-failure"),
        *("--header", f"Authorization: Bearer {TOKENS['alice']}", "--include-path-regex", paths),
        *("--max-examples", str(cases), *how),
    ]
    more = {"SCHEMATHESIS_HOOKS": "tests.gateway.conformance", "COLUMNS": "120"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(served.settings) | more, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
    assert f"Tested: {6 + len(types.split('|'))}" in done.stdout, done.stdout[-2000:]
