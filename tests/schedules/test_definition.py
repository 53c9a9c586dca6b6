"""What a schedule may say, and what it may not."""

from datetime import timedelta
from typing import Any

import pytest

from askfirst.schedules.definition import Schedule
from askfirst.schedules.errors import InvalidSchedule
from askfirst.schedules.triggers import At, Cron, Every, Once, Session
from askfirst.tasks.definition import work

FULL: dict[str, Any] = {
    "id": "eod:nyse",
    "work": "market.pull",
    "payload": {"exchange": "XNYS", "retries": [1, 2]},
    "triggers": [Cron("30 16 * * 1-5"), Every("1h", anchor="2026-01-01T00:00Z"), At(times="09:00"), Once("2026-05-01")],
    "timezone": "America/New_York",
    "start": "2026-01-01",
    "end": "2027-01-01",
    "calendars": ["XNYS"],
    "exclude": "own",
    "on_excluded": "next",
    "jitter": "10s",
    "timeout": "5m",
    "key": "nyse",
    "tags": "eod",
    "misfire": "all",
    "catch_up": timedelta(hours=2),
    "max_catch_up": 3,
    "overlap": "buffer_one",
    "max_failures": 3,
    "late_after": "1m",
    "over_after": 200,
}


def with_(**fields: Any) -> dict[str, Any]:
    return {"id": "s", "work": "w", "triggers": [Cron("0 9 * * *")], **fields}


def test_it_survives_json_unchanged() -> None:
    schedule = Schedule(**FULL)
    again = Schedule.from_json(schedule.to_json())
    assert again == schedule
    assert again.to_json() == schedule.to_json()
    assert schedule.timeout == 300.0
    assert [trigger.kind for trigger in again.triggers] == ["cron", "every", "at", "once"]


@pytest.mark.parametrize(("given", "seconds"), [(1.001, 1.001), ("1001ms", 1.001), ("1.005s", 1.005)])
def test_durations_are_whole_milliseconds_whatever_their_binary_fractions(given: float | str, seconds: float) -> None:
    assert Schedule(**with_(timeout=given)).timeout == seconds


def test_the_shortest_definition_is_enough() -> None:
    schedule = Schedule(id="s", work="w", triggers={"kind": "cron", "expression": "0 9 * * *"})
    assert schedule == Schedule(**with_())
    assert (schedule.timezone, schedule.misfire, schedule.overlap) == ("UTC", "latest", "skip")


def test_the_work_may_be_the_function() -> None:
    @work(name="some.work", timeout=1)
    def function() -> None: ...

    assert Schedule(**with_(work=function)).work == "some.work"
    with pytest.raises(InvalidSchedule, match=r"work: .*@work"):
        Schedule(**with_(work=len))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (with_(id="a@b"), r"schedule 'a@b': id: expected 1 to 128 letters"),
        (with_(triggers=[]), "schedule 's': triggers: .*at least 1 item"),
        (with_(triggers=[{"kind": "cron", "expression": "0 25 * * *"}]), "triggers.0.cron: expression: .*Bad hour"),
        (with_(triggers=[{"kind": "moon"}]), "triggers.0: .*'cron'.*got"),
        (with_(timezone="Mars/Olympus"), "timezone: expected an IANA time zone .*, got 'Mars/Olympus'"),
        (with_(timezone="../UTC"), "timezone: expected an IANA time zone"),
        (with_(jitter=-1), "jitter: expected 0 seconds or more, got -1"),
        (with_(timeout=0), "timeout: expected more than 0 seconds, got 0"),
        (with_(timeout="99999999d"), "schedule 's': timeout: expected ten years at most"),
        (with_(jitter=1e300), "jitter: expected ten years at most"),
        (with_(end="9999-12-31T23:59:59", timezone="America/New_York"), "schedule 's': end: expected a year from 2 to"),
        (with_(start="0001-01-01", timezone="Asia/Tokyo"), "schedule 's': start: expected a year from 2 to 9998"),
        (with_(misfire="everything"), "misfire: .*'latest'.*got 'everything'"),
        (with_(overlap="maybe"), "overlap: "),
        (with_(max_failures=0), "max_failures: "),
        (with_(colour="red"), "schedule 's': colour: is no field"),
        ({"id": "s", "work": "w"}, "schedule 's': triggers: is missing"),
        # What contradicts itself
        (with_(start="2026-01-02", end="2026-01-02"), "schedule 's': end: must be after start"),
        (with_(calendars=["a", "b"], exclude="b"), "exclude: b can't be in calendars too"),
        (with_(on_excluded="next"), "on_excluded: 'next' needs calendars or exclude"),
        (with_(on_excluded="next", calendars="a", triggers=Session(calendar="a", edge="open")),
         "on_excluded: 'next' can't move a trigger that follows a market's sessions"),
        (with_(exclude="a", triggers=Session(calendar="a", edge="open")), "exclude: a trigger follows the sessions"),
        (with_(misfire="skip", catch_up="1h"), "catch_up: misfire='skip' catches up on nothing"),
        (with_(max_catch_up=5), "max_catch_up: is for misfire='all', not 'latest'"),
        (with_(timeout="1m", late_after="1m"), "late_after: .*past its timeout"),
        (with_(timeout="1m", over_after="2m"), "over_after: a run can't take longer than its timeout"),
        (with_(triggers=Once("2026-01-01"), start="2026-01-02"), "triggers.0: its moment is not between start and end"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_refused_with_one_line_that_names_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message) as refused:
        Schedule(**fields)
    assert "\n" not in str(refused.value)
