"""Work type `market.data`: end-of-day data of one exchange from an HTTP source into a SQL table, once for each day."""

from datetime import date

try:
    import httpx as _fetches  # noqa: F401 - only to say what to install, before anything else fails on it
    import sqlalchemy as _stores  # noqa: F401 - the same
except ModuleNotFoundError as error:
    raise ImportError("market.data needs httpx and SQLAlchemy: pip install 'askfirst[library]'") from error

from ... import Retry, WorkContext, work
from .errors import MarketDataError, PullRefused, SourceUnavailable, TargetError, WrongContent
from .options import Exchange, Name, PullReport, Source, Zone
from .pulling import day_of, pull

__all__ = [
    "MarketDataError",
    "PullRefused",
    "PullReport",
    "SourceUnavailable",
    "TargetError",
    "WrongContent",
    "market_data",
]


@work(
    name="market.data",
    timeout="1h",
    max_concurrent=1,
    rate="1/s",
    partition_by="exchange",
    # With full jitter it lasts for some eight minutes, on average.
    retry=Retry(attempts=10, backoff=2, on=(SourceUnavailable,)),
)
async def market_data(
    ctx: WorkContext,
    exchange: Exchange,
    source: Source,
    database: Name,
    table: Name = "market_data",
    timezone: Zone = "UTC",
    day: date | None = None,
) -> PullReport:
    """Pull the end-of-day data of an exchange into a table; whatever goes wrong, the table is left as it was.

    `source` is the address, http or https, with `{day}` (as 2026-03-02) and `{exchange}` where they belong. It answers
    with CSV or JSON as its Content-Type says: a header line and rows, or a list of objects. `symbol` and `close` must
    be there, `open`, `high`, `low` and `volume` may be, and `date` must be the day if it is; anything else is left
    out. `database` is an SQLAlchemy URL; operators see it in the payload, so leave the password to the driver's own
    password file. `table` is a name in the default schema, a point in it a part of it; the table is made if it isn't
    there, with exchange, day and symbol as its key.

    The day is that of the schedule's instant in `timezone`; where no schedule asks, give the `day`. A pull takes the
    place of an earlier one of the same exchange and day: it can be repeated at will. Of each exchange there is one at
    a time, at most one a second. A source that doesn't give a whole answer, or asks for patience, is tried again,
    ever later, and never before its Retry-After.

    Raises SourceUnavailable, PullRefused, WrongContent and TargetError, all of them MarketDataError.
    """
    return await pull(ctx, exchange, day_of(ctx, timezone, day), source, database, table)
