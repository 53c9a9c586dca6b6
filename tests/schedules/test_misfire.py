"""The misfire policies, against what they say: which of the missed instants fire, and that each ends in one way."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.schedules import Every, Schedule
from askfirst.schedules.entries import as_moment, as_ms
from askfirst.schedules.misfire import ON_TIME, judge
from askfirst.schedules.planning import Planned
from askfirst.schedules.store import Fate

NOW = as_ms(datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC))


def schedule(**fields: Any) -> Schedule:
    return Schedule(id="s", work="w", triggers=Every(1), **fields)


def ago(*seconds: float) -> list[Planned]:
    return [Planned(as_moment(NOW) - timedelta(seconds=each)) for each in seconds]


def fates(schedule: Schedule, due: list[Planned], paused_until: int = 0) -> list[tuple[float, str, str, int]]:
    judged = judge(schedule, due, NOW, carry="", paused_until=paused_until, complete=True)
    assert judged.carry == ""
    return [((NOW - fate.nominal) / 1000, fate.fate, fate.why, fate.number) for fate in judged.fates]


def test_what_is_on_time_fires() -> None:
    assert fates(schedule(misfire="skip"), ago(5, 1, 0)) == [(5, "fire", "", 1), (1, "fire", "", 1), (0, "fire", "", 1)]


def test_jitter_is_no_lateness() -> None:
    assert fates(schedule(misfire="skip", jitter=10), ago(15)) == [(15, "fire", "", 1)]
    assert fates(schedule(misfire="skip", jitter=10), ago(15.001))[0][1] == "missed"


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"misfire": "skip"}, [(40, "missed", "nobody was there", 4)]),
        ({"misfire": "latest"}, [(40, "missed", "a later one is fired", 3), (10, "fire", "", 1)]),
        ({"misfire": "earliest"}, [(40, "fire", "", 1), (30, "missed", "an earlier one is fired", 3)]),
        ({"misfire": "all"}, [(40, "fire", "", 1), (30, "fire", "", 1), (20, "fire", "", 1), (10, "fire", "", 1)]),
        (
            {"misfire": "all", "max_catch_up": 2},
            [(40, "fire", "", 1), (30, "fire", "", 1), (20, "missed", "enough are caught up on", 2)],
        ),
        (
            {"misfire": "earliest", "catch_up": 30},
            [
                (40, "missed", "too late to catch up", 1),
                (30, "fire", "", 1),
                (20, "missed", "an earlier one is fired", 2),
            ],
        ),
    ],
)
def test_of_what_was_missed_the_policy_fires_some(policy: dict[str, Any], found: list[Any]) -> None:
    assert fates(schedule(**policy), ago(40, 30, 20, 10)) == found


def test_the_latest_that_was_missed_fires_before_what_is_on_time() -> None:
    assert fates(schedule(misfire="latest"), ago(20, 10, 2, 1)) == [
        (20, "missed", "a later one is fired", 1),
        (10, "fire", "", 1),
        (2, "fire", "", 1),
        (1, "fire", "", 1),
    ]


def test_the_instants_of_a_pause_are_skipped_whatever_the_policy() -> None:
    assert fates(schedule(misfire="all"), ago(40, 30, 20, 1), NOW - 30_000) == [
        (40, "skipped", "paused", 2),
        (20, "fire", "", 1),
        (1, "fire", "", 1),
    ]


def test_what_a_pause_found_held_is_skipped_with_it() -> None:
    carry, paused_until = f"held {NOW - 60_000}", NOW - 30_000
    judged = judge(schedule(), ago(40, 1), NOW, carry=carry, paused_until=paused_until, complete=True)
    assert judged.fates == [
        Fate(NOW - 60_000, "skipped", "paused", NOW - 40_000, 2),
        Fate(NOW - 1000, "fire", "", NOW - 1000),
    ]


def test_what_a_calendar_excludes_is_not_missed() -> None:
    due = [Planned(as_moment(NOW) - timedelta(seconds=20), "in holidays"), *ago(10)]
    assert fates(schedule(misfire="skip"), due) == [
        (20, "skipped", "in holidays", 1),
        (10, "missed", "nobody was there", 1),
    ]


@given(
    seconds=st.lists(st.integers(0, 200), min_size=1, max_size=30, unique=True),
    policy=st.sampled_from(["skip", "latest", "earliest", "all"]),
    window=st.integers(1, 150),
    cap=st.integers(1, 5),
    cuts=st.lists(st.integers(1, 10), min_size=1, max_size=30),
)
def test_decided_in_any_steps_it_is_what_the_policy_says(
    seconds: list[int], policy: str, window: int, cap: int, cuts: list[int]
) -> None:
    """However an outage is cut into steps, the same instants fire, and each instant ends in exactly one way."""
    more = {} if policy == "skip" else {"catch_up": window}
    one = schedule(misfire=policy, **more, **({"max_catch_up": cap} if policy == "all" else {}))
    due = ago(*sorted(seconds, reverse=True))
    found: list[Fate] = []
    carry = ""
    rest = list(due)
    while rest:
        cut = cuts[len(found) % len(cuts)]
        step, rest = rest[:cut], rest[cut:]
        judged = judge(one, step, NOW, carry=carry, paused_until=0, complete=not rest)
        found, carry = found + judged.fates, judged.carry
    assert sum(fate.number for fate in found) == len(due)
    assert {fate.nominal for fate in found if fate.fate == "fire"} == expected(due, policy, window, cap)


def expected(due: list[Planned], policy: str, window: int, cap: int) -> set[int]:
    instants = [as_ms(planned.instant) for planned in due]
    on_time = {each for each in instants if NOW - each <= ON_TIME * 1000}
    missed = [each for each in instants if each not in on_time and NOW - each <= window * 1000]
    chosen = {"skip": [], "latest": missed[-1:], "earliest": missed[:1], "all": missed[:cap]}[policy]
    return on_time | set(chosen)
