"""Staging: fill a table under another name, then give it the target's name in one step.

For databases where a table that is dropped blocks its readers until the commit (PostgreSQL), or where to make or drop
a table commits by itself (MySQL).
"""

import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Column, Connection, Engine, MetaData, Table, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable, DropTable, ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

from ..database import transaction
from .options import ImportContext

# Databases that can put a table into another's place such that nobody ever finds neither.
CAN_REPLACE = frozenset({"postgresql", "mysql", "mariadb"})

# By how much the clocks of two workers may differ before one sweeps away what the other still fills.
_CLOCK_ERROR = 3_600


class RenameTables(ExecutableDDLElement):
    """Rename tables to the names of others, in one step where there are several."""

    def __init__(self, *renames: tuple[Table, Table]) -> None:
        self.renames = renames


@compiles(RenameTables)
def _rename_one(element: RenameTables, compiler: DDLCompiler, **_: Any) -> str:
    ((table, new),) = element.renames
    return f"ALTER TABLE {compiler.preparer.format_table(table)} RENAME TO {compiler.preparer.format_table(new)}"


@compiles(RenameTables, "mysql", "mariadb")
def _rename_all(element: RenameTables, compiler: DDLCompiler, **_: Any) -> str:
    name = compiler.preparer.format_table
    return "RENAME TABLE " + ", ".join(f"{name(table)} TO {name(new)}" for table, new in element.renames)


@contextmanager
def staged(
    engine: Engine, ctx: ImportContext, name: str, columns: Sequence[Column[Any]], replace: bool
) -> Iterator[tuple[Connection, Table]]:
    """A new table to fill, which takes the name on a clean exit; from the table that has it only if `replace`."""
    table = Table(staging_name(name, ctx.remaining()), MetaData(), *columns)
    try:
        with transaction(engine, ctx) as connection:
            _sweep(connection, name)
            connection.execute(CreateTable(table))
            yield connection, table
            _publish(connection, table, Table(name, MetaData()), replace)
    except BaseException:
        # Where making a table commits by itself, the rollback has left it. If this fails too, a later import sweeps it.
        with suppress(SQLAlchemyError), engine.begin() as connection:
            connection.execute(DropTable(table, if_exists=True))
        raise


def staging_name(target: str, remaining: float) -> str:
    """A name that says which target a staging table is for, and when the import that fills it has its deadline."""
    return f"{_prefix(target)}{int(time.time() + remaining):x}_{secrets.token_hex(3)}"


def _prefix(target: str) -> str:
    return f"csv_import_{hashlib.sha256(target.encode()).hexdigest()[:8]}_"


def _sweep(connection: Connection, target: str) -> None:
    """Drop what killed imports into the same target have left; what may still be filled is left alone."""
    pattern = re.compile(_prefix(target) + r"([0-9a-f]+)_[0-9a-f]+(?:_old)?")
    for table in inspect(connection).get_table_names():
        found = pattern.fullmatch(table)
        if found and int(found[1], 16) + _CLOCK_ERROR < time.time():
            connection.execute(DropTable(Table(table, MetaData()), if_exists=True))


def _publish(connection: Connection, table: Table, target: Table, replace: bool) -> None:
    if not (replace and inspect(connection).has_table(target.name)):
        connection.execute(RenameTables((table, target)))
    elif connection.dialect.name == "postgresql":
        connection.execute(DropTable(target))
        connection.execute(RenameTables((table, target)))
    else:
        _swap(connection, table, target)


def _swap(connection: Connection, table: Table, target: Table) -> None:
    """Put the table into the target's place where tables can't be renamed and dropped in one transaction."""
    old = Table(f"{table.name}_old", MetaData())
    connection.execute(RenameTables((target, old), (table, target)))
    try:
        connection.execute(DropTable(old))
    except SQLAlchemyError:  # such as: another table refers to it
        connection.execute(RenameTables((target, table), (old, target)))
        raise
