"""The example's schedules of 15 exchanges: accepted as they are, and right about when a market's day is over."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import exchange_calendars
from click.testing import CliRunner

from askfirst.cli import main
from askfirst.schedules import Schedule
from askfirst.schedules.applying import read_file
from askfirst.schedules.calendars.calendars import Calendars
from askfirst.schedules.planning import instants
from tests.support.processes import ROOT
from tests.support.scheduled import Desk

FILE = ROOT / "examples" / "market_data.toml"
IMPORTED = ("--import", "askfirst.tasks.library.market_data")
SINCE, UNTIL = datetime(2025, 7, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)


def test_it_is_applied_as_it_is_and_fires_half_an_hour_after_each_close_of_a_week_day(desk: Desk) -> None:
    at = ["--redis-url", str(desk.client.settings.redis_url), "--namespace", desk.client.settings.namespace]
    applied = CliRunner().invoke(main, [*at, "schedule", "apply", str(FILE), "--yes", *IMPORTED])
    assert applied.exit_code == 0, applied.output
    found = desk.manager.page(tag="market-data", prefix="", after="", limit=100)
    assert len(found) == 15
    assert [status.id for status in found if status.alarm or status.next_time is None] == []
    again = CliRunner().invoke(main, [*at, "schedule", "apply", str(FILE), "--yes", *IMPORTED])
    assert again.stderr == "nothing to change\n"
    calendars = Calendars(read_file(FILE).calendars)
    for status in found:
        check_instants(status.schedule, calendars)


def check_instants(schedule: Schedule, calendars: Calendars) -> None:
    """By the library itself; but for the one special session of that year, which it has not."""
    exchange, zone = str(schedule.payload["exchange"]), ZoneInfo(schedule.timezone)
    assert (schedule.id, schedule.payload["timezone"]) == (f"eod-{exchange.lower()}", schedule.timezone)
    code = "XBOM" if exchange == "XNSE" else exchange
    library = exchange_calendars.get_calendar(code, start="2025-06-01", end="2026-07-01")
    closes = [close.to_pydatetime() + timedelta(minutes=30) for close in library.schedule["close"]]
    expected = {at for at in closes if SINCE < at <= UNTIL and at.astimezone(zone).weekday() < 5}
    special = {date(2025, 10, 21)} if exchange == "XNSE" else set()
    found = {at for at in instants(schedule, calendars, SINCE, UNTIL) if at.astimezone(zone).date() not in special}
    assert found == {at for at in expected if at.astimezone(zone).date() not in special}
    assert len(found) > 230
