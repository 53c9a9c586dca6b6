"""The target table: filled as a whole, or left exactly as it was."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, insert, inspect
from sqlalchemy.schema import CreateTable, DropTable

from ..database import Database, transaction, when_unlocked
from .columns import ColumnReader, TargetColumn, matching_columns, new_columns
from .errors import TargetError
from .inference import ColumnInference
from .options import ImportContext, ImportOptions
from .staging import CAN_REPLACE, staged

# A table made or dropped in a transaction here comes back with the rollback, so no staging is needed.
_IN_PLACE = frozenset({"sqlite", "mssql"})
# The storage engines of MySQL that can take back what was inserted.
_TRANSACTIONAL = frozenset({"innodb", "rocksdb", "ndbcluster"})


class Filling:
    """A table being filled, batch by batch, in a transaction that isn't over yet."""

    def __init__(self, connection: Connection, table: Table, readers: Sequence[ColumnReader]) -> None:
        self._connection = connection
        self._readers = readers
        # SQLAlchemy would look at each value of each row again: its statement goes to the driver directly, for half
        # the time of an import.
        compiled = insert(table).inline().compile(dialect=connection.dialect)
        self._statement = str(compiled)
        self._keys = None if compiled.positional else table.columns.keys()

    def write(self, rows: Sequence[Sequence[str]]) -> None:
        """Write some rows; raises ValueError or ArithmeticError for one that the columns weren't inferred from."""
        texts = zip(*rows, strict=True)
        values = [read(column) for read, column in zip(self._readers, texts, strict=True)]
        records: list[Any] = list(zip(*values, strict=True))
        if self._keys is not None:
            records = [dict(zip(self._keys, record, strict=True)) for record in records]
        self._connection.exec_driver_sql(self._statement, records)


class Target:
    """The table that one import fills. Raises TargetError for whatever the database objects to."""

    def __init__(self, ctx: ImportContext, options: ImportOptions) -> None:
        self._ctx = ctx
        self._name = options.table
        self._if_exists = options.if_exists
        self._null_values = frozenset(options.null_values)
        self._database = Database(options.database, TargetError)
        self._engine = self._database.engine

    @property
    def database(self) -> str:
        """The database's URL, fit to be shown."""
        return self._database.name

    def check(self) -> None:
        """Refuse what can be refused before the file is read."""
        dialect = self._engine.dialect.name
        if self._if_exists == "replace" and dialect not in _IN_PLACE | CAN_REPLACE:
            raise TargetError(f"{self.database}: a table of {dialect} can't be replaced in one step: drop it first")
        if dialect == "sqlite" and not os.path.exists(str(self._database.url.database)):
            return  # to look into it would make it
        with self._database.errors():
            self._look()

    @contextmanager
    def filling(self, inferred: Mapping[str, ColumnInference]) -> Iterator[Filling]:
        """The table to fill: all that is written becomes visible on a clean exit, and nothing of it on any other."""
        self._require_short([self._name, *inferred])
        with self._database.errors():
            if self._engine.dialect.name in _IN_PLACE:
                place = self._in_place(inferred)
            elif self._look() and self._if_exists == "append":
                place = self._appended(inferred)
            else:
                place = self._staged(inferred)
            with place as filling:
                yield filling

    @contextmanager
    def _in_place(self, inferred: Mapping[str, ColumnInference]) -> Iterator[Filling]:
        with transaction(self._engine, self._ctx) as connection:
            exists = self._exists(connection)
            if exists and self._if_exists == "append":
                yield self._existing(connection, inferred)
                return
            columns = new_columns(inferred)
            table = Table(self._name, MetaData(), *_sql_columns(columns))
            if exists:
                connection.execute(DropTable(table))
            connection.execute(CreateTable(table))
            yield self._filling(connection, table, columns)

    @contextmanager
    def _appended(self, inferred: Mapping[str, ColumnInference]) -> Iterator[Filling]:
        with transaction(self._engine, self._ctx) as connection:
            kept_by = inspect(connection).get_table_options(self._name).get(f"{connection.dialect.name}_engine")
            if kept_by and kept_by.lower() not in _TRANSACTIONAL:
                raise TargetError(f"{self.database}: can't append to a table kept by {kept_by}: it has no transactions")
            yield self._existing(connection, inferred)

    @contextmanager
    def _staged(self, inferred: Mapping[str, ColumnInference]) -> Iterator[Filling]:
        columns = new_columns(inferred)
        place = staged(self._engine, self._ctx, self._name, _sql_columns(columns), self._if_exists == "replace")
        with place as (connection, table):
            yield self._filling(connection, table, columns)

    def _require_short(self, names: Sequence[str]) -> None:
        limit = self._engine.dialect.max_identifier_length
        for name in names:
            # PostgreSQL, which counts bytes, would cut the name and say nothing.
            if len(name.encode() if self._engine.dialect.name == "postgresql" else name) > limit:
                raise TargetError(f"{self.database}: the name {name!r} is too long: at most {limit} fit")

    def _look(self) -> bool:
        with self._engine.connect() as connection:
            return when_unlocked(self._ctx, lambda: self._exists(connection))

    def _exists(self, connection: Connection) -> bool:
        exists = inspect(connection).has_table(self._name)
        if exists and self._if_exists == "fail":
            raise TargetError(f"{self.database}: table {self._name!r} exists; if_exists can be replace or append")
        return exists

    def _existing(self, connection: Connection, inferred: Mapping[str, ColumnInference]) -> Filling:
        try:
            columns = matching_columns(inferred, inspect(connection).get_columns(self._name))
        except ValueError as error:
            raise TargetError(f"{self.database}: table {self._name!r} doesn't take the file: {error}") from None
        table = Table(self._name, MetaData(), *_sql_columns(columns))
        return self._filling(connection, table, columns)

    def _filling(self, connection: Connection, table: Table, columns: Sequence[TargetColumn]) -> Filling:
        return Filling(connection, table, [column.reader(connection.dialect, self._null_values) for column in columns])


def _sql_columns(columns: Sequence[TargetColumn]) -> list[Column[Any]]:
    # The keys keep the names, which may hold anything, out of the names of the parameters.
    return [Column(column.name, column.sql_type, key=f"c{i}") for i, column in enumerate(columns)]
