"""The mirror in SQL has what the history has, whoever is killed or away, and keeps what the history forgets."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from askfirst.cli.exits import Exit
from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.states import State
from askfirst.schedules import Every
from askfirst.schedules.mirror import Mirror, MirrorError
from tests.cli.commands import Cli
from tests.support.eventually import eventually
from tests.support.leaks import lasting_children
from tests.support.postgres import Postgres, find_postgres
from tests.support.scheduled import Desk, fail
from tests.support.schedulers import SchedulerProcess

Row = tuple[object, ...]
QUERY = "SELECT schedule, instant, count, cause, status, state, why FROM askfirst_schedule_history ORDER BY 1, 2"


class Database:
    """Where the mirror writes to, read by other means."""

    def __init__(self, url: str, read: Callable[[str], list[Row]]) -> None:
        self.url = url
        self.read = read

    def rows(self, query: str = QUERY) -> list[Row]:
        return self.read(query)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if find_postgres() is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    server = Postgres()
    lasting_children.add(server.pid)
    yield server
    server.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    def read(query: str) -> list[Row]:
        with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
            return connection.execute(query).fetchall()

    return Database(f"sqlite:///{tmp_path}/history.db", read)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        found: Database = request.getfixturevalue("sqlite")
        return found
    server: Postgres = request.getfixturevalue("postgres")
    server.rows("SELECT 1")
    with_commit(server, "DROP TABLE IF EXISTS askfirst_schedule_history")
    return Database(server.url, server.rows)


def with_commit(server: Postgres, statement: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(server.url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))


def history(desk: Desk, *ids: str) -> list[Row]:
    """What the mirror is to have."""
    found = []
    for id in ids or ("s",):
        entries = desk.store.entries(id, desk.redis.zrange(desk.keys.history(id), 0, -1))
        found += [(id, e.instant, e.count, e.cause, e.status, e.state or None, e.why or None) for e in entries]
    return sorted(found)


def drain(mirror: Mirror) -> None:
    while mirror.round():
        pass


def waiting(desk: Desk) -> int:
    """How many entries the mirror has not yet."""
    return sum(" " in member for member in desk.redis.hkeys(desk.keys.outbox))


def is_equal(desk: Desk) -> bool:
    """Whether a mirror was there, has copied what it found, and waits for nothing."""
    return sorted(desk.redis.hkeys(desk.keys.outbox)) == ["", "#"]


def test_it_has_what_the_history_has(desk: Desk, database: Database) -> None:
    mirror = Mirror(desk.client, database.url)
    drain(mirror)
    assert database.rows() == []
    desk.put(misfire="skip")
    desk.away(3601)
    desk.tick()
    first = desk.fire()
    desk.fire()  # is skipped: the one before goes on
    drain(mirror)
    assert database.rows() == history(desk)
    assert {row[4] for row in database.rows()} == {"missed", "fired", "skipped"}
    assert first.work is not None
    desk.lane.answer(first.work, state=State.COMPLETED)
    desk.look_again()
    desk.manager.trigger("s")
    desk.put("f", work=fail, payload={})
    failed = desk.fire("f")
    assert failed.work is not None
    desk.lane.answer(failed.work, state=State.FAILED)
    desk.look_again()
    drain(mirror)
    assert database.rows() == history(desk, "f", "s")
    assert {row[5] for row in database.rows()} == {None, "COMPLETED", "FAILED"}
    assert waiting(desk) == 0
    times = "SELECT count(*) FROM askfirst_schedule_history WHERE state = 'COMPLETED' AND duration >= 0 AND NOT late"
    assert database.rows(times) == [(1,)]


def test_without_a_mirror_nothing_waits_and_one_that_comes_copies_what_was_there(
    desk: Desk, database: Database
) -> None:
    for id in ("a", "b", "c"):
        desk.put(id)
        desk.fire(id)
    assert not desk.redis.exists(desk.keys.outbox)
    # The first one is killed on the way, after the copy has begun.
    first = Mirror(desk.client, database.url)
    first._outbox.wait_for_mirror()
    first._outbox.copy("a")
    first._outbox.copied("", "a")
    drain(Mirror(desk.client, database.url))
    assert database.rows() == history(desk, "a", "b", "c")
    assert 6 * 86_400 < desk.redis.ttl(desk.keys.outbox) <= 7 * 86_400


def test_a_mirror_killed_between_the_database_and_redis_writes_nothing_twice(
    desk: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(overlap="allow_all")
    mirror = Mirror(desk.client, database.url)
    drain(mirror)
    for _ in range(5):
        desk.fire()

    def dies(rows: object) -> None:
        raise LedgerUnavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(mirror._outbox, "mirrored", dies)
        with pytest.raises(LedgerUnavailable):
            mirror.round()
    assert len(database.rows()) == waiting(desk) == 5
    drain(Mirror(desk.client, database.url))
    assert database.rows() == history(desk)
    assert waiting(desk) == 0


def test_one_that_stood_still_writes_nothing_old_over_what_is_new(desk: Desk, database: Database) -> None:
    desk.put()
    stalled, other = (Mirror(desk.client, database.url) for _ in range(2))
    drain(stalled)
    entry = desk.fire()
    read = stalled._outbox.unmirrored(100)
    assert entry.work is not None
    desk.lane.answer(entry.work, state=State.COMPLETED)
    desk.look_again()
    stalled._outbox.mirrored(read)
    assert waiting(desk) == 1, "what has changed since waits on"
    drain(other)
    stalled._write(read)
    assert [row[5] for row in database.rows()] == ["COMPLETED"]


def test_an_outage_of_the_database_stops_no_fire_and_is_caught_up_on(desk: Desk, postgres: Postgres) -> None:
    with_commit(postgres, "DROP TABLE IF EXISTS askfirst_schedule_history")
    desk.put(overlap="allow_all")
    mirror, stopping = Mirror(desk.client, postgres.url), threading.Event()
    thread = threading.Thread(target=mirror.run, args=(stopping,))
    thread.start()
    try:
        desk.fire()
        eventually(lambda: is_equal(desk), what="the first is mirrored")
        lasting_children.discard(postgres.pid)
        postgres.stop()
        for _ in range(20):
            assert desk.fire().status == "fired"
        eventually(lambda: mirror._trouble, what="the mirror has noticed")
        assert waiting(desk) == 20
        postgres.start()
        lasting_children.add(postgres.pid)
        eventually(lambda: waiting(desk) == 0, within=20, what="it has caught up")
    finally:
        stopping.set()
        thread.join(10)
    assert postgres.rows(QUERY) == history(desk)


def test_what_finds_no_room_is_copied_later(desk: Desk, sqlite: Database) -> None:
    desk.put(overlap="allow_all")
    mirror = Mirror(desk.client, sqlite.url)
    drain(mirror)
    desk.redis.hset(desk.keys.outbox, mapping={f"{n} other": "" for n in range(100_000)})
    for _ in range(3):
        desk.fire()
    assert int(desk.redis.hget(desk.keys.outbox, "")) > 0
    desk.redis.hdel(desk.keys.outbox, *(f"{n} other" for n in range(100_000)))
    assert sqlite.rows() == []
    drain(mirror)
    assert sqlite.rows() == history(desk)


def test_what_the_history_forgets_stays(desk: Desk, database: Database) -> None:
    desk.put()
    mirror = Mirror(desk.client, database.url)
    drain(mirror)
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.answer(entry.work, state=State.COMPLETED)
    desk.look_again()
    expected = history(desk)
    desk.manager.delete("s", "me")
    assert desk.redis.keys(f"{desk.keys.base}*") == [desk.keys.outbox]
    drain(mirror)
    assert database.rows() == expected


def test_a_run_that_outlives_its_schedule_has_no_end_there(desk: Desk, sqlite: Database) -> None:
    desk.put()
    drain(mirror := Mirror(desk.client, sqlite.url))
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.verdict(entry.work)
    desk.manager.delete("s", "me")
    drain(mirror)
    assert [(row[4], row[5]) for row in sqlite.rows()] == [("fired", None)]
    desk.lane.answer(entry.work)


def test_changes_after_redis_has_lost_its_last_second_are_later_ones(desk: Desk, sqlite: Database) -> None:
    desk.put()
    drain(mirror := Mirror(desk.client, sqlite.url))
    before = desk.redis.hget(desk.keys.outbox, "#")
    entry = desk.fire()
    drain(mirror)
    desk.redis.hset(desk.keys.outbox, "#", before)
    assert entry.work is not None
    desk.lane.answer(entry.work, state=State.COMPLETED)
    desk.look_again()
    drain(mirror)
    assert [row[5] for row in sqlite.rows()] == ["COMPLETED"]


def test_what_is_forgotten_while_it_is_copied_makes_no_hole(
    desk: Desk, sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(overlap="allow_all")
    for _ in range(5):
        desk.fire()
    mirror = Mirror(desk.client, sqlite.url)
    bound = mirror._outbox._bind

    def forgetful(name: str, /, **arguments: Any) -> Any:
        if arguments.get("first"):
            [(oldest, _)] = desk.redis.zpopmin(desk.keys.history("s"))
            desk.redis.hdel(desk.keys.entries("s"), oldest)
        return bound(name, **arguments)

    monkeypatch.setattr("askfirst.schedules.outbox._COPIED_AT_ONCE", 2)
    monkeypatch.setattr(mirror._outbox, "_bind", forgetful)
    drain(mirror)
    assert set(history(desk)) <= set(sqlite.rows())
    assert len(history(desk)) >= 2


def test_text_that_no_database_takes_holds_up_nothing(desk: Desk, database: Database) -> None:
    desk.put()
    drain(mirror := Mirror(desk.client, database.url))
    desk.fire()
    [member] = [name for name in desk.redis.hkeys(desk.keys.outbox) if " " in name]
    number, _, text = desk.redis.hget(desk.keys.outbox, member).partition(" ")
    entry = json.loads(text) | {"why": "nul \0, half a pair \ud800"}
    desk.redis.hset(desk.keys.outbox, member, f"{number} {json.dumps(entry)}")
    drain(mirror)
    assert [row[6] for row in database.rows()] == ["nul \N{REPLACEMENT CHARACTER}, half a pair ?"]
    assert waiting(desk) == 0


def test_a_database_that_others_hold_is_waited_for(desk: Desk, sqlite: Database, tmp_path: Path) -> None:
    desk.put()
    drain(mirror := Mirror(desk.client, sqlite.url))
    desk.fire()
    other = sqlite3.connect(tmp_path / "history.db", check_same_thread=False, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.8, lambda: (other.execute("COMMIT"), other.close()))
    timer.start()
    drain(mirror)
    timer.join()
    assert sqlite.rows() == history(desk)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql+pymysql://u:secret@127.0.0.1/x", "no usable driver|SQLite or PostgreSQL"),
        ("sqlite:////nowhere/at/all.db", "the folder of the SQLite database doesn't exist"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/x", "refused"),
    ],
)
def test_a_database_that_can_not_be_used_is_said(desk: Desk, url: str, said: str) -> None:
    with pytest.raises(MirrorError, match=said) as raised:
        Mirror(desk.client, url).round()
    assert "secret" not in str(raised.value)


# As a process


def test_mirrors_that_are_killed_leave_no_hole(desk: Desk, database: Database, tmp_path: Path) -> None:
    desk.put(overlap="allow_all")
    command = ("-m", "askfirst", "schedule", "mirror", database.url)
    for killed in (True, False):
        process = SchedulerProcess(desk.client.settings, tmp_path, f"mirror{killed}", command)
        try:
            process.wait_until_ready()
            for _ in range(30):
                desk.fire()
            if killed:
                process.kill()
            else:
                eventually(lambda: waiting(desk) == 0, what=f"all is mirrored: {process.log()}")
                assert process.stop() == 0
        finally:
            process.close()
    assert len(history(desk)) == 60
    assert database.rows() == history(desk)


def test_what_the_command_needs(desk: Desk, tmp_path: Path) -> None:
    cli = Cli(str(desk.client.settings.redis_url), desk.client.settings.namespace)
    nothing = cli("schedule", "mirror")
    assert nothing.exit_code == Exit.USAGE
    assert "expected the URL of a database, or the setting schedule_mirror" in nothing.stderr
    away = cli("schedule", "mirror", "postgresql+psycopg://u:secret@127.0.0.1:1/x")
    assert away.exit_code == Exit.FAILED
    assert "refused" in away.stderr
    assert "secret" not in away.output


# Bounds


def test_no_script_is_long_for_it(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.schedules.test_bounds import LIMIT, longest

    desk.put(triggers=Every(1), misfire="all", max_catch_up=10_000, overlap="buffer_all")
    mirror = Mirror(desk.client, f"sqlite:///{tmp_path}/x.db")
    mirror._outbox.wait_for_mirror()
    desk.away(500)
    decisions, _ = desk.scheduler._decide(desk.store.look(100))
    assert longest(desk, monkeypatch, lambda: desk.store.decide(decisions)) < LIMIT
    desk.tick(5)
    rows: list[Any] = []
    assert longest(desk, monkeypatch, lambda: rows.extend(mirror._outbox.unmirrored(500))) < LIMIT
    assert longest(desk, monkeypatch, lambda: mirror._outbox.mirrored(rows)) < LIMIT
    assert longest(desk, monkeypatch, lambda: mirror._outbox.copy("s")) < LIMIT
    assert longest(desk, monkeypatch, lambda: desk.store.pause("s", "why", "me")) < LIMIT
