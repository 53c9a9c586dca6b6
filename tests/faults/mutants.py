"""Breaks the ledger on purpose, one line at a time, and sees whether its model notices: `make mutants`.

Each mutant is the installed package with one text replaced; a text that isn't there exactly once is an error. The
model's tests run against it, and after them those that the mutant names.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MODEL = ("tests/interest/test_all_orders.py", "tests/interest/test_any_order.py")
_AT_ONCE = 2
_PATIENCE = 240.0  # seconds; a mutant that hangs the tests is caught too


@dataclass(frozen=True)
class Mutant:
    """What is broken, in which script, by which change; `also` are tests for what the model doesn't know."""

    name: str
    script: str
    text: str
    instead: str
    also: tuple[str, ...] = ()


MUTANTS = (
    Mutant(
        "the fence is the attempt alone",
        "ask",
        "return attempt .. ':' .. nonce",
        "return attempt .. ':'",
        also=("tests/interest/test_fencing.py",),
    ),
    Mutant(
        "finish takes any claim's result",
        "finish",
        "elseif record[2] ~= fence or record[1] == 'PENDING' then",
        "elseif record[1] == 'PENDING' then",
    ),
    Mutant(
        "finish takes a result after the work was put back",
        "finish",
        "elseif record[2] ~= fence or record[1] == 'PENDING' then",
        "elseif record[2] ~= fence then",
    ),
    Mutant(
        "release gives back what another claim holds",
        "release",
        "if record[1] ~= 'RUNNING' or record[2] ~= fence then",
        "if record[1] ~= 'RUNNING' then",
    ),
    Mutant(
        "retry puts back what another claim holds",
        "retry",
        "if record[1] ~= 'RUNNING' or record[2] ~= fence then",
        "if record[1] ~= 'RUNNING' then",
    ),
    Mutant(
        "beat renews another claim's lease",
        "beat",
        "if record[1] ~= 'RUNNING' or record[2] ~= fence then",
        "if record[1] ~= 'RUNNING' then",
    ),
    Mutant(
        "ask takes a work away under a live lease",
        "ask",
        "if lease_end < now and up_since() + lease < now then put_back",
        "if true then put_back",
    ),
    Mutant("the caretaker gives runs no time after an outage", "tend", "elseif lapse > now then", "elseif false then"),
    Mutant(
        "the caretaker leaves lapsed runs alone",
        "tend",
        "  else\n    put_back(id, 1, tonumber(max_deliveries), pulse_timeout)\n",
        "  else\n",
    ),
    Mutant("a work starts at its deadline", "includes/interest", "'+inf', '(' .. now", "'+inf', now"),
    Mutant(
        "a claim leaves the work among the pending",
        "ask",
        "  redis.call('ZREM', index_key('PENDING'), id)\n  return { 'RUN'",
        "  return { 'RUN'",
    ),
    Mutant("an end keeps the permit", "includes/ending", ",\n    permit = record[8] })", " })"),
    Mutant(
        "one run more than the limit",
        "includes/limits",
        "(limit.concurrent or math.huge) - redis.call('ZCARD', permits_key(group))\n    return",
        "(limit.concurrent or math.huge) + 1 - redis.call('ZCARD', permits_key(group))\n    return",
    ),
    Mutant(
        "callers are told twice",
        "includes/ending",
        "    forget_told(id, told, redis.call('ZCARD', interests_key(id)))\n    stop_run",
        "    stop_run",
    ),
    Mutant(
        "an ended record keeps its live one's TTL",
        "includes/ending",
        "  redis.call('PEXPIRE', work_key(id), math.max(retention, 1))\n",
        "",
    ),
    Mutant(
        "interests have no TTL",
        "includes/record",
        "  redis.call('PEXPIRE', interests_key(id), ttl)\n",
        "",
        also=("tests/interest/test_submitting_many.py",),
    ),
    Mutant(
        "a forgotten work comes in again",
        "submit",
        "redis.call('EXISTS', work_key(id), tombstone_key(id)) > 0",
        "redis.call('EXISTS', work_key(id)) > 0",
        also=("tests/interest/test_lost_records.py",),
    ),
    Mutant(
        "a retry starts after the deadline",
        "retry",
        "if now + delay >= tonumber(record[4])",
        "if false",
        also=("tests/interest/test_claims.py",),
    ),
    Mutant(
        "what is put back is not rung for",
        "includes/ending",
        "  ring(id, true)\nend",
        "end",
        also=("tests/interest/test_claims.py",),
    ),
    Mutant(
        "the replacement runs beside the replaced",
        "ask",
        "if record.predecessor and redis.call",
        "if false and redis.call",
    ),
    Mutant(
        "a silence of everybody counts against the callers",
        "includes/interest",
        "if not evidence[1] or now - evidence[1] > EVIDENCE_GAP then return now end",
        "if not evidence[1] then return now end",
        also=("tests/interest/test_pulses.py",),
    ),
    Mutant(
        "a caller who leaves ends the work for all",
        "withdraw",
        "local reason = UNWANTED[weigh(id, tonumber(pulse_timeout))]",
        "local reason = UNWANTED.none",
    ),
    Mutant(
        "a joiner's deadline is not the run's",
        "includes/record",
        "if record[4] == 'RUNNING' and record[3] ~= last then",
        "if false then",
        also=("tests/interest/test_keys_of_works.py", "tests/running/test_keys.py"),
    ),
)


def main(words: Sequence[str]) -> int:
    """Tries them all, or those with one of the words in their names, and prints a table; how many survived."""
    mutants = [each for each in MUTANTS if not words or any(word in each.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="askfirst-mutants-") as folder:
        as_it_is = _install(Path(folder))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            rows = list(pool.map(lambda mutant: _try(mutant, as_it_is, Path(folder)), mutants))
    survived = sum(caught_by is None for caught_by in rows)
    print(f"\n{len(mutants) - survived} of {len(mutants)} caught")
    return survived


def _install(folder: Path) -> Path:
    """The package as it is now; what is not broken must pass."""
    target = folder / "as it is"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--target", target, ROOT], check=True)
    if (failed := _run(target, MODEL)) is not None:
        raise SystemExit(f"the tests fail without a mutant: {failed}")
    return target


def _try(mutant: Mutant, as_it_is: Path, folder: Path) -> str | None:
    began = time.monotonic()
    target = folder / mutant.name.replace(" ", "-")
    shutil.copytree(as_it_is, target)
    path = target / "askfirst" / "interest" / "scripts" / f"{mutant.script}.lua"
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.text) != 1:
        raise SystemExit(f"expected {mutant.text!r} once in {mutant.script}.lua, got {text.count(mutant.text)}")
    path.write_text(text.replace(mutant.text, mutant.instead), encoding="utf-8")
    caught_by = _run(target, (*MODEL, *mutant.also))
    verdict = f"caught by {caught_by}" if caught_by else "SURVIVED"
    print(f"| {mutant.name} | `{mutant.script}.lua` | {verdict} | {time.monotonic() - began:.0f} s |", flush=True)
    shutil.rmtree(target)
    return caught_by


def _run(target: Path, tests: tuple[str, ...]) -> str | None:
    """The first test that fails against the package there, or None."""
    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "tests.faults.unshrunk"]
    # The package before the working folder, which has one of that name (-P), and before an editable install.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(target), str(ROOT)])}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pytest", *options, *tests],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_PATIENCE,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "hanging"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if not failed:
        raise SystemExit(f"pytest could not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return f"`{failed[0].split(' - ')[0].split('::')[-1]}`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
