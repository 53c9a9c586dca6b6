"""One pull: fetch, read, store."""

import time
from datetime import date
from zoneinfo import ZoneInfo

from ..database import Database
from .errors import PullRefused, TargetError
from .fetching import address_of, fetch
from .options import PullContext, PullReport
from .reading import read_bars
from .storing import store


def day_of(ctx: PullContext, timezone: str, day: date | None) -> date:
    """The day to pull: the schedule's, or the one given where no schedule asks. Raises PullRefused."""
    if ctx.nominal_time is None:
        if day is None:
            raise PullRefused("day: expected it to be given, since no schedule asks for this pull")
        return day
    if day is not None:
        raise PullRefused("day: a schedule says it: leave it out of the payload")
    return ctx.nominal_time.astimezone(ZoneInfo(timezone)).date()


async def pull(ctx: PullContext, exchange: str, day: date, source: str, url: str, table: str) -> PullReport:
    """Pull one day of one exchange; raises MarketDataError."""
    started = time.monotonic()
    database = Database(url, TargetError)  # what can be refused is, before the source is troubled
    address = address_of(source, exchange, day)
    answer = await fetch(ctx, address)
    bars = read_bars(ctx, answer, day)
    replaced = store(ctx, database, table, exchange, day, bars)
    return PullReport(
        exchange=exchange,
        day=day,
        source=address,
        database=database.name,
        table=table,
        rows=len(bars),
        replaced=replaced,
        bytes=answer.bytes,
        seconds=time.monotonic() - started,
    )
