"""Which files can be read: compressed or not, in any encoding, with any usual delimiter; others get a clear error."""

import bz2
import gzip
import lzma
import os
import zipfile
from pathlib import Path

import pytest

from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import SourceError, rows

TEXT = "name,n\nÄpfel,1\nBirnen,2\n"
ROWS = [("Äpfel", 1), ("Birnen", 2)]


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_told_by_the_content_whatever_the_name(import_csv, database, tmp_path, compress):
    source = tmp_path / "plain.csv"
    source.write_bytes(compress(TEXT.encode()))
    import_csv(source)
    assert database.rows() == ROWS


def test_a_zip_archive_of_one_file_is_read(import_csv, database, tmp_path):
    import_csv(zipped(tmp_path / "a.csv", **{"data/": "", "data/a.csv": TEXT, "__MACOSX/data/._a.csv": "\0\5"}))
    assert database.rows() == ROWS


def test_several_gzip_members_are_one_file(import_csv, database, tmp_path):
    source = tmp_path / "a.csv.gz"
    source.write_bytes(gzip.compress(TEXT[:9].encode()) + gzip.compress(TEXT[9:].encode()))
    import_csv(source)
    assert database.rows() == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_other_encodings_can_be_asked_for(import_csv, database, tmp_path, encoding):
    source = tmp_path / "a.csv"
    source.write_bytes(TEXT.encode(encoding))
    assert list(import_csv(source, encoding=encoding).columns) == ["name", "n"]
    assert database.rows() == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_name(import_csv):
    assert list(import_csv("\ufeff" + TEXT).columns) == ["name", "n"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(import_csv, database, delimiter):
    rows = [["a", "b", "c"], ["1", '"x,;|"', "2.5"], ["2", '"line\nend"', "3.5"]]
    import_csv("\n".join(delimiter.join(row) for row in rows))
    assert database.rows() == [(1, "x,;|", 2.5), (2, "line\nend", 3.5)]


def test_the_delimiter_that_splits_all_rows_alike_wins(import_csv, database):
    import_csv("id;last, first;price\n1;Doe, Jane;1,5\n2;Cher;2\n3;Madonna;2\n")
    assert database.rows() == [(1, "Doe, Jane", "1,5"), (2, "Cher", "2"), (3, "Madonna", "2")]


def test_a_delimiter_can_be_asked_for(import_csv, database):
    import_csv("a:b,c\n1:2\n", delimiter=":")
    assert database.rows() == [(1, 2)]


def test_a_file_of_one_column_needs_no_delimiter(import_csv, database):
    import_csv("word\nyes\nno\n")
    assert database.rows() == [("yes",), ("no",)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems_are_read_and_the_last_may_be_missing(import_csv, database, end):
    import_csv(end.join(["a,b", "1,x", "", "2,y"]))
    assert database.rows() == [(1, "x"), (2, "y")]


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


BIG = "name,n\n" + "".join(f"Äpfel{i * 7919 % 1013},{i}\n" for i in range(5_000))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty: expected a header line"),
        (b"\n\n\n", "expected a header line"),
        (_cut(gzip.compress(BIG.encode())), "damaged or cut off"),
        (_cut(bz2.compress(BIG.encode())), "damaged or cut off"),
        (_cut(lzma.compress(BIG.encode())), "damaged or cut off"),
        (gzip.compress(BIG.encode())[:-8] + b"\0" * 8, "damaged or cut off"),
        (b"PK\x03\x04" + bytes(range(200)), "damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not utf-8"),
        (b"a,b\n1,\0\0\n", "line 2 has a NUL character"),
        ("a,b\n1,\xe4\n".encode("latin-1"), "not utf-8"),
        (b"a,,c\n1,2,3\n", "column 2 of the header has no name"),
        (b"a,b,c,B \n", "columns 2 and 4 of the header have the same name 'B'"),
        (b'a,"b\n1,2\n', "the header can't be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_what_is_wrong(import_csv, database, tmp_path, content, problem):
    source = tmp_path / "broken.csv"
    source.write_bytes(content)
    with pytest.raises(SourceError, match=problem) as failure:
        import_csv(source)
    assert str(failure.value).startswith(f"{source}: ")
    assert not database.path.exists()


def test_a_missing_file_a_folder_and_a_pipe_are_refused(import_csv, tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        import_csv(tmp_path / "missing.csv")
    with pytest.raises(SourceError, match="not a regular file"):
        import_csv(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        import_csv(tmp_path / "pipe")


def test_a_path_that_can_not_be_is_refused(import_csv, tmp_path):
    with pytest.raises(SourceError, match="can't be read: embedded null byte"):
        import_csv(tmp_path / "a\0b.csv")


def test_a_zip_archive_of_several_files_or_none_is_refused(import_csv, tmp_path):
    with pytest.raises(SourceError, match="one file in it, got 2"):
        import_csv(zipped(tmp_path / "two.zip", **{"a.csv": TEXT, "b.csv": TEXT}))
    with pytest.raises(SourceError, match="one file in it, got 0"):
        import_csv(zipped(tmp_path / "none.zip"))


def test_an_encrypted_zip_archive_is_refused(import_csv, tmp_path):
    source = zipped(tmp_path / "secret.zip", **{"a.csv": TEXT})
    data = bytearray(source.read_bytes())
    data[6] |= 1  # the flag of the local header, and of the directory
    data[data.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        import_csv(source)


@pytest.mark.parametrize("encoding", ["utf-99", "hex"])
def test_an_encoding_that_is_none_is_refused(import_csv, encoding):
    with pytest.raises(SourceError, match=f"expected encoding .* got '{encoding}'"):
        import_csv(TEXT, encoding=encoding)


def test_a_file_without_line_ends_is_not_read_into_memory_whole(import_csv, tmp_path):
    source = tmp_path / "endless.csv.gz"
    with gzip.open(source, "wb", compresslevel=1) as out:
        for _ in range(20):
            out.write(b"x" * 2**20)
    with pytest.raises(SourceError, match="line 1 is longer than"):
        import_csv(source)


@pytest.mark.parametrize("header", ["", '"x","y"\n'])
def test_a_row_without_an_end_is_not_read_into_memory_whole(import_csv, monkeypatch, header):
    monkeypatch.setattr(rows, "_BATCH_CHARACTERS", 1_000)
    with pytest.raises(SourceError, match=r"the row that goes on in line 20\d is too long to be true"):
        import_csv(header + '"x\n",' * 300, delimiter=",")


def test_rows_of_long_texts_are_taken_in_small_batches(import_csv, database, monkeypatch):
    monkeypatch.setattr(rows, "_BATCH_CHARACTERS", 1_000)
    notes = []
    ctx = WorkContext(timeout=60, report=lambda progress: notes.append(progress.note))
    import_csv("a\n" + ("x" * 99 + "\n") * 45, ctx=ctx)
    first = [f"{count} rows looked at" for count in (11, 22, 33, 44, 45)]
    second = [f"{count} of 45 rows written" for count in (11, 22, 33, 44, 45)]
    assert notes == [*first, *second, "45 rows imported"]
    assert database.execute("SELECT count(*) FROM t") == [(45,)]
