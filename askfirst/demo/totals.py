"""What the file and the imported table must agree on, computed twice by different means."""

from __future__ import annotations

import csv
import io
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

_NULLS = ("", "NA")

#: Each total, and the SQL for it.
_QUERIES = {
    "rows": "SELECT count(*) FROM flights",
    "miles flown (sum of distance)": "SELECT sum(distance) FROM flights",
    "flights of United (carrier = UA)": "SELECT count(*) FROM flights WHERE carrier = 'UA'",
    "flights that never left (no dep_time)": "SELECT count(*) FROM flights WHERE dep_time IS NULL",
    "minutes late at arrival (sum of arr_delay)": "SELECT sum(arr_delay) FROM flights",
    "destinations": "SELECT count(DISTINCT dest) FROM flights",
}


def totals_of_file(path: Path) -> dict[str, int]:
    """The totals of flights.csv in a zip archive, by the csv module."""
    rows = miles = united = stayed = late = 0
    destinations = set()
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline="")):
            rows += 1
            miles += int(row["distance"])
            united += row["carrier"] == "UA"
            stayed += row["dep_time"] in _NULLS
            late += 0 if row["arr_delay"] in _NULLS else int(row["arr_delay"])
            destinations.add(row["dest"])
    return dict(zip(_QUERIES, (rows, miles, united, stayed, late, len(destinations)), strict=True))


def totals_of_table(database: Path) -> dict[str, int]:
    """The totals of the table `flights`, by SQL."""
    with closing(sqlite3.connect(database)) as connection:
        return {name: connection.execute(query).fetchone()[0] for name, query in _QUERIES.items()}
