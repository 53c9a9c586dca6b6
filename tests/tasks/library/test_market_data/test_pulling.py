"""A day of an exchange is in the table once, whole and as the source gives it, or the table is as it was."""

import gzip
import sqlite3
import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.market_data import (
    PullRefused,
    SourceUnavailable,
    TargetError,
    WrongContent,
    fetching,
    storing,
)
from tests.support.servers import free_port
from tests.tasks.library.test_market_data.conftest import NOMINAL
from tests.tasks.library.test_market_data.source import (
    ROWS,
    csv_text,
    cut,
    endless,
    give,
    give_json,
    give_rows,
    hang_up,
)

CLOSES = {row["symbol"]: row["close"] for row in ROWS}
OTHER = [{"symbol": "Z", "close": 9.0}]


def test_csv_is_stored_as_it_is_given(pull, source, target):
    report = pull()
    assert (report.rows, report.replaced, report.day) == (5, 0, date(2026, 3, 2))
    assert source.paths == ["/XNYS/2026-03-02.csv"]
    assert report.source.endswith("/XNYS/2026-03-02.csv")
    assert target.execute("SELECT * FROM market_data WHERE symbol = 'S3'") == [
        ("XNYS", "2026-03-02", "S3", 1.5, 2.25, 1.0, 5.0, 300)
    ]


def test_json_and_csv_are_the_same(pull, source, target):
    pull()
    before = target.dump()
    source.answers = [give_json()]
    pull()
    assert target.dump() == before


def test_what_may_be_missing_is_null_and_what_nobody_asked_for_is_left_out(pull, source, target):
    source.answers = [give(b"\xef\xbb\xbfDate, Symbol ,CLOSE,volume,mood\n2026-03-02,A,1.5,,good\n")]
    pull()
    assert target.execute("SELECT * FROM market_data") == [("XNYS", "2026-03-02", "A", None, None, None, 1.5, None)]


@pytest.mark.parametrize("split", [len(csv_text()), 10, 60])
def test_all_members_of_a_gzip_are_read(pull, source, target, split):
    members = [part for part in (csv_text()[:split], csv_text()[split:]) if part]
    source.answers = [give(b"".join(map(gzip.compress, members)), Content_Encoding="gzip")]
    assert pull().bytes == len(csv_text())
    assert target.closes() == CLOSES


def test_a_pull_takes_the_place_of_the_one_before_and_of_nothing_else(pull, source, target):
    pull()
    pull(exchange="XLON")
    pull(WorkContext(timeout=30, nominal_time=datetime(2026, 3, 3, 21, 30, tzinfo=UTC)))
    assert pull().replaced == 5
    assert target.closes() == CLOSES
    source.answers = [give_rows(OTHER)]
    assert pull().replaced == 5
    assert target.closes() == {"Z": 9.0}
    assert target.closes("XLON") == target.closes(day="2026-03-03") == CLOSES


@pytest.mark.parametrize(
    ("zone", "day"), [("UTC", "2026-03-02"), ("America/New_York", "2026-03-02"), ("Australia/Sydney", "2026-03-03")]
)
def test_the_day_is_that_of_the_instant_in_the_time_zone(pull, target, zone, day):
    pull(timezone=zone)
    assert target.closes(day=day) == CLOSES


def test_without_a_schedule_the_day_is_given(pull, target):
    pull(WorkContext(timeout=30), day=date(2026, 1, 5))
    assert target.closes(day="2026-01-05") == CLOSES
    with pytest.raises(PullRefused, match="day: expected it to be given"):
        pull(WorkContext(timeout=30))
    with pytest.raises(PullRefused, match="day: a schedule says it"):
        pull(day=date(2026, 1, 5))


# What goes wrong, each time after a pull that went well


@pytest.fixture
def unchanged(pull, target):
    """What was in the table before is in it afterwards, and a later pull is made as ever."""
    pull()
    before = target.dump()
    yield
    assert target.dump() == before


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (give(status=500), "500 Internal Server Error"),
        (give(status=503), "503 Service Unavailable"),
        (give(status=404), "404 Not Found"),
        (give(status=429), "429 Too Many Requests"),
        (cut(), "peer closed connection"),
        (hang_up, "disconnected"),
        (give(b"not zipped", Content_Encoding="gzip"), "decompressing"),
        (give(gzip.compress(csv_text())[:-8], Content_Encoding="gzip"), "its gzip is cut off"),
        (give(gzip.compress(csv_text()) + gzip.compress(b"")[:-1], Content_Encoding="gzip"), "its gzip is cut off"),
    ],
)
def test_a_source_that_fails_is_to_be_asked_again(pull, source, unchanged, answer, said):
    source.answers = [answer]
    with pytest.raises(SourceUnavailable, match=said) as raised:
        pull()
    assert raised.value.retry_after is None


def test_a_source_that_is_not_there_is_to_be_asked_again(pull, unchanged):
    with pytest.raises(SourceUnavailable, match="All connection attempts failed"):
        pull(source=f"http://127.0.0.1:{free_port()}/{{day}}")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "Mon, 02 Mar 2026 21:30:09 GMT", "Date": "Mon, 02 Mar 2026 21:30:00 GMT"}, 9),
        ({"Retry_After": "Mon, 02 Mar 2026 21:00:00 GMT", "Date": "Mon, 02 Mar 2026 21:30:00 GMT"}, 0),
        ({"Retry_After": "soon"}, None),
        (
            {"Retry_After": "Mon, 02 Mar 99999999999999999999 21:30:09 GMT", "Date": "Mon, 02 Mar 2026 21:30:00 GMT"},
            None,
        ),
    ],
)
def test_when_to_come_again_is_told(pull, source, monkeypatch, headers, wait):
    # The handler says the date by itself: the tests' own must be the first.
    monkeypatch.setattr("http.server.BaseHTTPRequestHandler.date_time_string", lambda *_: headers.get("Date", ""))
    source.answers = [give(status=429, Retry_After=headers["Retry_After"])]
    with pytest.raises(SourceUnavailable) as raised:
        pull()
    assert raised.value.retry_after == wait


def test_a_source_that_gives_a_byte_now_and_then_is_given_up(pull, source, unchanged, monkeypatch):
    monkeypatch.setattr(fetching, "FETCH_SECONDS", 0.3)
    source.answers = [source.drip]
    with pytest.raises(SourceUnavailable, match=r"no whole answer within 0\.3 s"):
        pull()


def test_past_its_own_deadline_a_pull_is_not_wanted(pull, source, unchanged):
    source.answers = [source.drip]
    with pytest.raises(InterestLost, match="deadline passed"):
        pull(WorkContext(timeout=0.3, nominal_time=NOMINAL))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (give(b"<html>we are back soon</html>", media="text/html"), "expected CSV or JSON by its Content-Type"),
        (give(b"<html>we are back soon</html>"), "row 1|no rows"),
        (give(b"", media="application/json"), "expected JSON"),
        (give(b"[" * 100_000, media="application/json"), "expected JSON"),
        (give_json({"error": "quota"}), "expected a list of objects, got dict"),
        (give_json([1]), "row 1: expected an object"),
        (give_json([]), "it has no rows"),
        (give(b"symbol,close\n"), "it has no rows"),
        (give(b"symbol,close\nA,1\nB\n"), "line 3: expected 2 fields"),
        (give(b"symbol,close\nA,1,2\n"), "line 2: expected 2 fields"),
        (give(b'symbol,close\n"A,1\n'), "unexpected end of data"),
        (give(b"symbol,close\nA,1\nB,many\n"), "row 2: close: .*many"),
        (give(b"symbol,close\nA,nan\n"), "row 1: close"),
        (give(b"symbol,close\nA,\n"), "row 1: close"),
        (give(b"symbol,close\n,1\n"), "row 1: symbol"),
        (give(b"symbol,close,volume\nA,1,-2\n"), "row 1: volume"),
        (give(b"symbol,close\nA,1\nA,2\n"), "row 2: A is there twice"),
        (give(b"symbol,close,date\nA,1,2026-02-27\n"), "row 1: expected date to be 2026-03-02, got '2026-02-27'"),
        (give(b"symbol,close\n\xff,1\n"), "expected UTF-8"),
        (endless, "its end can't be told from a break"),
        (give(gzip.compress(gzip.compress(csv_text())), Content_Encoding="gzip, gzip"), "expected no Content-Encoding"),
    ],
)
def test_wrong_content_is_refused(pull, source, unchanged, answer, said):
    source.answers = [answer]
    with pytest.raises(WrongContent, match=said):
        pull()


@pytest.mark.parametrize("answer", [give_rows(), give(gzip.compress(csv_text()), Content_Encoding="gzip")])
def test_too_large_an_answer_is_refused(pull, source, unchanged, monkeypatch, answer):
    monkeypatch.setattr(fetching, "LARGEST", 50)
    source.answers = [answer]
    with pytest.raises(WrongContent, match="more than 50 bytes"):
        pull()


@pytest.mark.parametrize("status", [400, 401, 403, 410])
def test_a_request_that_is_refused_is_not_made_again(pull, source, unchanged, status):
    source.answers = [give(status=status)]
    with pytest.raises(PullRefused, match=str(status)):
        pull()


def test_a_redirect_is_followed_but_not_for_ever(pull, source, target):
    source.answers = [give(status=302, Location="/elsewhere"), give_rows()]
    assert pull().rows == 5
    source.answers = [give(status=302, Location="/round")]
    with pytest.raises(PullRefused, match="redirects"):
        pull()


def test_interest_lost_while_the_source_is_silent(pull, source, unchanged):
    source.answers = [source.drip]
    token = Token()
    threading.Timer(0.2, token.trip, ["enough"]).start()
    with pytest.raises(InterestLost, match="enough"):
        pull(WorkContext(timeout=30, nominal_time=NOMINAL, token=token))


def test_interest_lost_before_the_end_of_the_writing(pull, source, target, unchanged, monkeypatch):
    monkeypatch.setattr(storing, "_BATCH", 2)
    looks = iter(range(100))

    class Fickle(WorkContext):
        def check(self) -> None:
            if next(looks) == 3:
                self.token.trip("enough")
            super().check()

    source.answers = [give_rows([{"symbol": f"Y{n}", "close": 1.0} for n in range(9)])]
    with pytest.raises(InterestLost, match="enough"):
        pull(Fickle(timeout=30, nominal_time=NOMINAL))
    assert next(looks) == 4


# The table


def test_others_that_hold_the_database_are_waited_for(pull, target):
    pull()
    other = sqlite3.connect(target.path, check_same_thread=False, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.7, lambda: (other.execute("COMMIT"), other.close())).start()
    assert pull().replaced == 5


@pytest.mark.parametrize(
    "error",
    [
        # On PostgreSQL, where both find nothing to replace, the second one's rows are there already, or its table.
        IntegrityError("INSERT", {}, Exception("duplicate key")),
        ProgrammingError("CREATE TABLE", {}, Exception("already exists")),
        # MySQL's words for a deadlock of two exchanges in an empty table, and for a table that is there already.
        OperationalError("INSERT", {}, Exception("(1213, 'Deadlock found when trying to get lock')")),
        OperationalError("CREATE TABLE", {}, Exception('(1050, "Table already exists")')),
    ],
)
def test_another_pull_that_was_faster_is_looked_at_again(pull, source, target, monkeypatch, error):
    replace, tries = storing._replace, []

    def clash(*arguments):
        tries.append(1)
        if len(tries) == 1:
            replace(*arguments)
            raise error
        return replace(*arguments)

    monkeypatch.setattr(storing, "_replace", clash)
    assert pull().replaced == 5
    assert target.closes() == CLOSES


def test_a_table_of_another_kind_is_refused_and_left_alone(pull, target):
    target.execute("CREATE TABLE market_data (mine INT)")
    with pytest.raises(TargetError, match="no such column"):
        pull()
    assert target.dump() == ["BEGIN TRANSACTION;", "CREATE TABLE market_data (mine INT);", "COMMIT;"]


@pytest.mark.parametrize("database", ["nonsense", "sqlite://", "sqlite:////nowhere/eod.db", "cobol://x/y"])
def test_a_wrong_database_is_refused_before_the_source_is_asked(pull, source, database):
    with pytest.raises(TargetError):
        pull(database=database)
    assert source.paths == []


def test_more_rows_than_a_batch_are_stored(pull, source, target):
    rows = [{"symbol": f"S{n}", "close": n / 8} for n in range(5_000)]
    source.answers = [give(csv_text(rows))]
    assert pull().rows == 5_000
    assert target.closes() == {row["symbol"]: row["close"] for row in rows}
