"""Malformed rows: named with their line numbers, left out up to a limit, and past it nothing is imported."""

import pytest

from askfirst.tasks.library.csv_import import MalformedRows


def test_one_malformed_row_fails_the_import_and_every_one_is_named(import_csv, database):
    with pytest.raises(MalformedRows) as failure:
        import_csv('a,b\n1,x\n2\n3,y,z\n4,"q"r\n5,v\n')
    lines = str(failure.value).splitlines()
    assert lines[0].endswith("text.csv: malformed rows (at most 0 may be left out):")
    assert lines[1:3] == ["  line 3: expected 2 fields, got 1", "  line 4: expected 2 fields, got 3"]
    assert lines[3].startswith("  line 5: ")
    assert not database.path.exists()


def test_up_to_the_limit_they_are_left_out_and_reported(import_csv, database):
    report = import_csv("a,b\n1,x\n2\n3,y,z\n5,v\n", max_errors=2)
    assert [(row.line, row.problem) for row in report.malformed] == [
        (3, "expected 2 fields, got 1"),
        (4, "expected 2 fields, got 3"),
    ]
    assert report.rows == 2
    assert database.rows() == [(1, "x"), (5, "v")]


def test_one_more_than_the_limit_fails_the_import(import_csv, database):
    with pytest.raises(MalformedRows, match="at most 1 may be left out"):
        import_csv("a,b\n1,x\n2\n3,y,z\n5,v\n", max_errors=1)
    assert not database.path.exists()


def test_the_values_of_a_row_left_out_do_not_count_for_the_types(import_csv):
    assert import_csv("a,b\n1,2\nx,y,z\n", max_errors=1).columns == {"a": "integer", "b": "integer"}


def test_the_line_is_the_physical_one_also_after_line_ends_in_quotes(import_csv):
    report = import_csv('a,b\n1,"two\nlines"\r\n\n2,"and\r\nthree\nmore"\nshort\n3,4\n', max_errors=1)
    assert [row.line for row in report.malformed] == [8]
    assert report.rows == 3


def test_a_row_that_starts_before_its_fault_is_named_by_its_first_line(import_csv):
    report = import_csv('a,b\n1,"x\ny"z\n2,3\n', max_errors=1)
    assert [(row.line, row.problem.endswith("(it goes on to line 3)")) for row in report.malformed] == [(2, True)]
    assert report.rows == 1


def test_a_quote_that_never_closes_fails_the_import_whatever_the_limit(import_csv, database):
    with pytest.raises(MalformedRows, match="line 3: a quote opened here is never closed"):
        import_csv('a,b\n1,2\n3,"x\n' + "4,5\n" * 50, max_errors=100)
    with pytest.raises(MalformedRows, match=r"line 3: .* may never be closed"):
        import_csv('a,b\n1,2\n3,"x\n' + "4,5\n" * 50_000, max_errors=100)
    assert not database.path.exists()


def test_the_inside_of_a_text_is_never_taken_for_rows(import_csv, database):
    with pytest.raises(MalformedRows, match=r"line 2: .*, and a quote opened in it isn't closed"):
        import_csv('a,b\n"x"y,"p\nq,r"\n1,2\n', max_errors=100)
    assert not database.path.exists()
    report = import_csv('a,b\n1,"x\n"\n"x"y,"p"\n1,2\n', max_errors=100)
    assert [row.line for row in report.malformed] == [4]
    assert database.rows() == [(1, "x\n"), (1, "2")]


def test_only_the_first_of_very_many_are_listed(import_csv):
    with pytest.raises(MalformedRows) as failure:
        import_csv("a,b\n" + "1\n" * 10_000)
    lines = str(failure.value).splitlines()
    assert (lines[1], lines[20], lines[21:]) == (
        "  line 2: expected 2 fields, got 1",
        "  line 21: expected 2 fields, got 1",
        ["  …"],
    )


def test_blank_lines_are_no_rows(import_csv, database):
    assert import_csv("\n\na,b\n\n1,2\n\n\n").malformed == []
    assert database.rows() == [(1, 2)]
