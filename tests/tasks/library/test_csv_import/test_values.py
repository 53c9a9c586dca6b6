"""What the values of a file become: types are inferred from every row, and never change what the text says."""

import csv
import io
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import MetaData, Table, create_engine

from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import ColumnType, csv_import


@pytest.mark.parametrize(
    ("texts", "expected", "stored"),
    [
        (["1", "-20", "0"], "integer", [1, -20, 0]),
        (["9223372036854775807", "-9223372036854775808"], "integer", [2**63 - 1, -(2**63)]),
        (["1.5", "-2e3", ".5", "7", "-0"], "float", [1.5, -2000.0, 0.5, 7.0, 0.0]),
        (["true", "FALSE", "True"], "boolean", [1, 0, 1]),
        (["2013-01-31", "2012-02-29"], "date", ["2013-01-31", "2012-02-29"]),
        (["2013-01-01T10:00:00", "2013-01-01 10:00"], "datetime", ["2013-01-01 10:00:00.000000"] * 2),
        (
            ["2013-01-01T10:00:00Z", "2013-01-01 12:00:00+02:00"],
            "datetime with time zone",
            ["2013-01-01 10:00:00.000000"] * 2,
        ),
        (["a", "ä", "x y"], "text", ["a", "ä", "x y"]),
    ],
)
def test_a_column_gets_the_narrowest_type_that_all_its_values_read_as(import_csv, database, texts, expected, stored):
    report = import_csv("c\n" + "\n".join(texts))
    assert report.columns == {"c": expected}
    assert [value for (value,) in database.rows()] == stored


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "123"],  # a ZIP code
        ["+49", "49"],  # a telephone number
        ["9223372036854775808", "1"],  # too long for 64 bits
        ["9007199254740993", "0.5"],  # as a float it would be another integer
        ["1e999", "1.0"],
        ["nan", "1.0"],
        ["inf"],
        ["1_000"],
        ["1,5"],
        [" 1"],
        ["٣"],  # a digit, but not ASCII
        ["0", "1", "yes"],
        ["2013-02-30"],
        ["2013-01-01", "2013-01-01T10:00:00"],
        ["2013-01-01T10:00:00", "2013-01-01T10:00:00Z"],  # local time and a point in time don't mix
        ["2013-01-01T25:00:00"],
        ["2013-01-01T10:00:00.1234567"],  # finer than a database keeps
        ["0001-01-01T00:00:00+05:00"],  # before the first year in UTC
    ],
)
def test_a_value_that_a_type_would_change_keeps_its_column_text(import_csv, database, texts):
    report = import_csv("c\n" + "\n".join(f'"{text}"' for text in texts))
    assert report.columns == {"c": "text"}
    assert [value for (value,) in database.rows()] == texts


def test_the_last_row_of_many_decides_the_type_too(import_csv, database):
    report = import_csv("n\n" + "1\n" * 12_000 + "x\n", batch_rows=1_000)
    assert report.columns == {"n": "text"}
    assert database.execute("SELECT count(*), max(n) FROM t") == [(12_001, "x")]


def test_more_different_values_than_are_remembered_are_read_all_the_same(import_csv, database):
    numbers = range(25_000)
    assert import_csv("n\n" + "\n".join(map(str, numbers))).columns == {"n": "integer"}
    assert [n for (n,) in database.rows()] == list(numbers)


def test_empty_and_na_become_null_and_do_not_count_for_the_type(import_csv, database):
    report = import_csv('n,s\n1,NA\n,x\nNA,""\n')
    assert report.columns == {"n": "integer", "s": "text"}
    assert database.rows() == [(1, None), (None, "x"), (None, None)]


def test_other_null_values_can_be_asked_for(import_csv, database):
    report = import_csv("country,n\nNA,-\nDE,3\n,4\n", null_values=("-",))
    assert report.columns == {"country": "text", "n": "integer"}
    assert database.rows() == [("NA", None), ("DE", 3), ("", 4)]


def test_a_column_without_values_is_text(import_csv, database):
    assert import_csv("a,b\n1,\n2,NA\n").columns == {"a": "integer", "b": "text"}
    assert database.rows() == [(1, None), (2, None)]


def test_a_file_with_only_a_header_makes_an_empty_table(import_csv, database):
    report = import_csv("a,b\n")
    assert (report.rows, report.columns) == (0, {"a": "text", "b": "text"})
    assert database.rows() == []


def test_the_report_says_what_was_done(import_csv, database, csv_file):
    source = csv_file("a,b\n1,x\n2,y\n")
    report = import_csv(source, table="things")
    assert (report.table, report.rows, report.bytes) == ("things", 2, source.stat().st_size)
    assert report.database == database.url
    assert report.malformed == []
    assert 0 < report.seconds < 60


@pytest.mark.parametrize(
    "wrong",
    [
        {"delimiter": ""},
        {"delimiter": "::"},
        {"delimiter": '"'},
        {"max_errors": -1},
        {"batch_rows": 0},
        {"table": ""},
        {"if_exists": "truncate"},
        {"database": ""},
    ],
)
def test_an_option_out_of_range_is_refused_by_name(import_csv, wrong):
    (name,) = wrong
    with pytest.raises(ValidationError, match=name):
        import_csv("a\n1\n", **wrong)


_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
_LITERALS = st.one_of(
    st.integers().map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.floats().map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.booleans().map(str),
    st.dates().map(str),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.sampled_from(["", "NA", "00", "-0", "1.", ".5", "-", ".", "1e5", "TRUE"]),
    _TEXTS,
)
_COLUMNS = st.one_of(
    *(
        st.lists(values, min_size=1, max_size=6)
        for values in (
            st.integers().map(str),
            st.floats().map(repr),
            st.booleans().map(str),
            st.dates().map(str),
            _LITERALS,
        )
    )
)


def _says_the_same(kind: ColumnType, text: str, value: object) -> bool:
    match kind:
        case _ if text in ("", "NA"):
            return value is None
        case ColumnType.INTEGER:
            return isinstance(value, int) and str(value) == text
        case ColumnType.FLOAT:
            return isinstance(value, float) and value == float(text)
        case ColumnType.BOOLEAN:
            return isinstance(value, bool) and str(value).lower() == text.lower()
        case ColumnType.DATE:
            return isinstance(value, date) and value.isoformat() == text
        case ColumnType.DATETIME:
            return value == datetime.fromisoformat(text)
        case ColumnType.DATETIME_TZ:
            return isinstance(value, datetime) and value.replace(tzinfo=UTC) == datetime.fromisoformat(text)
        case ColumnType.TEXT:
            return value == text


@settings(max_examples=60)
@given(texts=_COLUMNS)
def test_whatever_the_texts_are_the_table_says_the_same(tmp_path_factory, texts):
    folder: Path = tmp_path_factory.mktemp("any")
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["c"], *([text] for text in texts)])
    (folder / "any.csv").write_bytes(buffer.getvalue().encode())
    url = f"sqlite:///{folder / 'any.db'}"
    report = csv_import(WorkContext(timeout=60), folder / "any.csv", "t", url, delimiter=",", batch_rows=2)
    engine = create_engine(url)
    with engine.connect() as connection:
        values = connection.execute(Table("t", MetaData(), autoload_with=connection).select()).scalars().all()
    engine.dispose()
    assert len(values) == len(texts)
    assert all(_says_the_same(report.columns["c"], text, value) for text, value in zip(texts, values, strict=True))


def test_a_database_made_by_an_import_is_a_plain_sqlite_file(import_csv, database):
    import_csv("a\n1\n")
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
