"""The table: one day of one exchange is put in the place of what was there, whole or not at all."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import BigInteger, Column, Date, Double, MetaData, String, Table, delete, insert
from sqlalchemy.exc import DBAPIError

from ..database import Database, transaction
from .options import PullContext
from .reading import Bar

# How many rows are written between two looks whether anybody still wants them.
_BATCH = 1_000
# Others may be in the way: a pull of the same day, or that makes the table too, or of a market that closes with ours.
_TRIES = 5


def store(ctx: PullContext, database: Database, name: str, exchange: str, day: date, bars: Sequence[Bar]) -> int:
    """Put the bars in the place of what there is of this exchange and day; how many rows that was.

    Raises TargetError.
    """
    table = _table(name)
    with database.errors():
        for _ in range(_TRIES - 1):
            try:
                return _replace(ctx, database, table, exchange, day, bars)
            except DBAPIError:
                # What somebody else was writing when we looked, the next look sees; of a deadlock one goes on.
                ctx.check()
        return _replace(ctx, database, table, exchange, day, bars)


def _replace(ctx: PullContext, database: Database, table: Table, exchange: str, day: date, bars: Sequence[Bar]) -> int:
    rows = [{"exchange": exchange, "day": day, **bar.model_dump()} for bar in bars]
    with transaction(database.engine, ctx) as connection:
        table.create(connection, checkfirst=True)
        gone = connection.execute(delete(table).where(table.c.exchange == exchange, table.c.day == day))
        for start in range(0, len(rows), _BATCH):
            ctx.check()
            connection.execute(insert(table), rows[start : start + _BATCH])
        ctx.check()
        return gone.rowcount


def _table(name: str) -> Table:
    # The key is what keeps a day from being there twice, whatever happens.
    return Table(
        name,
        MetaData(),
        Column("exchange", String(4), primary_key=True),
        Column("day", Date, primary_key=True),
        Column("symbol", String(64), primary_key=True),
        Column("open", Double),
        Column("high", Double),
        Column("low", Double),
        Column("close", Double, nullable=False),
        Column("volume", BigInteger),
    )
