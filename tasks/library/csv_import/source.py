"""The file: found, decompressed, decoded, read line by line; what is wrong with it becomes a SourceError naming it."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO

from .errors import SourceError

# Longer than any sane line: a file without line ends must not end up in memory whole.
_MAX_LINE = 16 * 2**20
_READ_AHEAD = 2**18

_CORRUPT = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, gzip.BadGzipFile)


class CsvFile:
    """A CSV file, plain or compressed (told by its first bytes), that can be read several times.

    Raises SourceError where it is missing, no regular file or empty.
    """

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self._encoding = _known_encoding(encoding)
        self._identity = self._look()
        self._raw: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes of the file as it lies on the disk."""
        return self._identity[2]

    @property
    def position(self) -> int:
        """How many of these bytes the reading under way has consumed."""
        return self._raw.tell() if self._raw is not None and not self._raw.closed else self.size

    def require_unchanged(self) -> None:
        """Raise SourceError if the file isn't the one that was opened first."""
        if self._look() != self._identity:
            raise self.error("changed while it was imported")

    def error(self, problem: str) -> SourceError:
        """The SourceError that says so of this file."""
        return SourceError(f"{self.path}: {problem}")

    def lines(self) -> Generator[str]:
        """The physical lines with their line ends, from the beginning. Close the iterator to close the file early."""
        number = 0
        try:
            with ExitStack() as stack:
                text = stack.enter_context(self._text(stack))
                while line := text.readline(_MAX_LINE):
                    number += 1
                    if "\0" in line:
                        raise self.error(f"line {number} has a NUL character: no text file, or in another encoding")
                    if len(line) == _MAX_LINE:
                        raise self.error(f"line {number} is longer than {_MAX_LINE:,} characters")
                    yield line
        except UnicodeError as error:
            raise self.error(f"not {self._encoding} text near line {number + 1}: {error}") from error
        except _CORRUPT as error:
            raise self.error(f"damaged or cut off near line {number + 1}: {error}") from error
        except OSError as error:
            raise self.error(f"can't be read: {error.strerror or error}") from error

    def _look(self) -> tuple[int, int, int, int]:
        try:
            found = os.stat(self.path)
        except OSError as error:
            raise self.error(f"can't be read: {error.strerror}") from error
        except ValueError as error:  # no path can be like this
            raise self.error(f"can't be read: {error}") from error
        if not stat.S_ISREG(found.st_mode):
            raise self.error("not a regular file")
        if not found.st_size:
            raise self.error("empty: expected a header line")
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _text(self, stack: ExitStack) -> io.TextIOWrapper:
        self._raw = stack.enter_context(self.path.open("rb"))
        plain = self._decompressed(self._raw, stack)
        # Line ends stay as they are: the csv module tells one in a quoted field from one that ends a row.
        return io.TextIOWrapper(plain, encoding=self._encoding, newline="")

    def _decompressed(self, raw: BinaryIO, stack: ExitStack) -> IO[bytes]:
        magic = raw.read(10)
        raw.seek(0)
        if magic.startswith(b"\x1f\x8b\x08"):
            return io.BufferedReader(gzip.GzipFile(fileobj=raw), _READ_AHEAD)
        if magic.startswith(b"BZh") and magic[4:] in (b"1AY&SY", b"\x17rE8P\x90"):
            return io.BufferedReader(bz2.BZ2File(raw), _READ_AHEAD)
        if magic.startswith(b"\xfd7zXZ\x00"):
            return io.BufferedReader(lzma.LZMAFile(raw), _READ_AHEAD)
        if magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return self._only_member(stack.enter_context(zipfile.ZipFile(raw)))
        return raw

    def _only_member(self, archive: zipfile.ZipFile) -> IO[bytes]:
        # macOS puts a companion of each member into this folder.
        members = [m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/")]
        if len(members) != 1:
            raise self.error(f"expected a zip archive with one file in it, got {len(members)}")
        try:
            return archive.open(members[0])
        except RuntimeError as error:  # encrypted, or a compression method that zipfile doesn't know
            raise self.error(f"can't be unpacked: {error}") from error


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)  # refuses what is no text encoding, such as "hex"
        known = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise SourceError(f"expected encoding to be the name of a text encoding, got {name!r}") from error
    # A byte order mark is no part of the first column's name.
    return "utf-8-sig" if known == "utf-8" else known
