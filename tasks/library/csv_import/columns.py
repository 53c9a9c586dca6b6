"""Columns: from what the texts of the file are to what the database keeps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql
from sqlalchemy.engine.interfaces import ReflectedColumn

from .inference import PARSERS, ColumnInference, ColumnType, converter, parse_datetime_tz

SqlType = sql.TypeEngine[Any]
Parser = Callable[[str], object]
ColumnReader = Callable[[Sequence[str]], Iterable[object]]

# What a new table gets. The variants keep microseconds and long texts where the generic type would cut them.
_NEW: dict[ColumnType, SqlType] = {
    ColumnType.INTEGER: sql.BigInteger(),
    ColumnType.FLOAT: sql.Double(),
    ColumnType.BOOLEAN: sql.Boolean(),
    ColumnType.DATE: sql.Date(),
    ColumnType.DATETIME: sql.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
    ColumnType.DATETIME_TZ: sql.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"),
    ColumnType.TEXT: sql.UnicodeText().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"),
}


@dataclass(frozen=True)
class TargetColumn:
    """A column to fill, and how its values are read; no parser: the text is the value."""

    name: str
    sql_type: SqlType
    parse: Parser | None

    def reader(self, dialect: Dialect, null_values: frozenset[str]) -> ColumnReader:
        """How a batch of this column's texts becomes what the database's driver takes."""
        parse, bind = self.parse, self.sql_type.dialect_impl(dialect).bind_processor(dialect)
        if parse is None:
            return converter(bind, null_values)
        return converter(parse if bind is None else lambda text: bind(parse(text)), null_values)


def new_columns(inferred: Mapping[str, ColumnInference]) -> list[TargetColumn]:
    """The columns of a table made for this file."""
    return [TargetColumn(name, _NEW[column.type], PARSERS.get(column.type)) for name, column in inferred.items()]


def matching_columns(
    inferred: Mapping[str, ColumnInference], existing: Sequence[ReflectedColumn]
) -> list[TargetColumn]:
    """The columns of an existing table that this file fills.

    Raises ValueError where the file has a column that the table hasn't, lacks one that the table needs, or has values
    that a column can't take.
    """
    by_name = {column["name"]: column for column in existing}
    problems = [f"it has no column {name!r}" for name in inferred if name not in by_name]
    missing = (name for name, column in by_name.items() if name not in inferred and _needed(column))
    problems += [f"the file has no column {name!r}" for name in missing]
    columns = []
    for name, column in inferred.items():
        if name in by_name:
            sql_type = by_name[name]["type"]
            try:
                columns.append(TargetColumn(name, sql_type, _parser_for(column, sql_type)))
            except ValueError:
                kind = type(sql_type).__name__
                problems.append(f"its column {name!r} is {kind}, the file's is {column.type}")
    if problems:
        raise ValueError("; ".join(problems))
    return columns


def _needed(column: Mapping[str, Any]) -> bool:
    if column["nullable"] or column["default"] is not None or column.get("autoincrement") is True:
        return False
    # SQLite numbers the rows of such a column by itself.
    numbered = column.get("primary_key") and isinstance(column["type"], sql.Integer)
    return not (numbered or column.get("computed") or column.get("identity"))


def _parser_for(column: ColumnInference, sql_type: SqlType) -> Parser | None:
    """How this column of the file is read for an existing column; raises ValueError where it can't be."""
    if isinstance(sql_type, sql.String):
        return None
    for candidate, parser in _accepted(sql_type):
        if column.reads_as(candidate):
            return parser
    raise ValueError


def _accepted(sql_type: SqlType) -> list[tuple[ColumnType, Parser]]:
    """What an existing column takes, best first."""
    match sql_type:
        case mysql.TINYINT():  # what MySQL makes of BOOLEAN
            accepted = [ColumnType.INTEGER, ColumnType.BOOLEAN]
        case sql.Integer():
            accepted = [ColumnType.INTEGER]
        case sql.Numeric():
            return [(ColumnType.INTEGER, Decimal), (ColumnType.FLOAT, Decimal)]
        case sql.Float():
            accepted = [ColumnType.FLOAT]
        case sql.Boolean():
            accepted = [ColumnType.BOOLEAN]
        case sql.Date():
            accepted = [ColumnType.DATE]
        case sql.DateTime() if sql_type.timezone:
            accepted = [ColumnType.DATETIME_TZ]
        case sql.DateTime():
            return [(ColumnType.DATETIME, PARSERS[ColumnType.DATETIME]), (ColumnType.DATETIME_TZ, _naive_utc)]
        case _:
            accepted = []
    return [(candidate, PARSERS[candidate]) for candidate in accepted]


def _naive_utc(text: str) -> object:
    # With its offset a driver would turn it into the local time of its session.
    return parse_datetime_tz(text).replace(tzinfo=None)
