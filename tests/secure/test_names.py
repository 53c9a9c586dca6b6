"""Names and keys that people give stay in their place: in Redis keys, logs, SQL, commands and paths."""

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from askfirst import InvalidPayload, WorkContext, cancel, status, submit_work, work
from askfirst.cli import main
from askfirst.config import Settings, SettingsError, load_settings
from askfirst.interest.errors import InvalidWork
from askfirst.interest.keys import LaneKeys
from askfirst.tasks.library.csv_import import TargetError, csv_import
from askfirst.tasks.library.mailbox_sync import mailbox_sync
from askfirst.tasks.library.mailbox_sync.address import parse_source
from askfirst.tasks.library.mailbox_sync.errors import SourceError
from askfirst.tasks.library.mailbox_sync.names import quoted
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.lanes import Lane

PRINTABLE = (
    "*", "?", "[a-z]", "..", "../../etc/passwd", "}:work:x", "{other}", "a:b", "key:x", "index:PENDING", "' OR 1=1 --",
    '"; DROP TABLE keep; --', "$(id)", "`id`", "%s%n", "{0.__class__}", "\\", "ключ", "🔑", "a b", " ", "-", "--json",
    "<script>", "[red]x[/red]", "default." + "0" * 32,
)  # fmt: skip
UNPRINTABLE = ("\n", "a\nERROR: forged", "\r", "\x00", "\x1b[2J", "\x9b31m", "\u202e", "\u2028", "\ud800", "\x7f", "")


@work(name="names.by", timeout=30, partition_by="who", max_concurrent=1)
def by(who: str) -> str:
    return who


# Redis


@pytest.mark.parametrize("key", PRINTABLE)
def test_a_key_stays_in_its_place(client: Client, lane: Lane, redis: Any, key: str) -> None:
    waiter, other = submit_work(works.add, a=1, key=key), submit_work(works.add, a=1, key="other")
    known = lane.keys
    places = {known.work, known.letter, known.interests}
    ours = {place(id) for place in places for id in (waiter.id, other.id)} | {known.key(key), known.key("other")}
    kinds = ("work", "letter", "interests", "key")
    of_works = {name for name in redis.scan_iter() if name.startswith(tuple(f"{known.base}:{kind}:" for kind in kinds))}
    assert of_works == ours
    found = status(key)
    assert found is not None
    assert (found.id, found.key) == (waiter.id, key)
    cancel(key)
    assert lane.state(waiter.id) == "CANCELLED"
    assert lane.state(other.id) == "PENDING"


@pytest.mark.parametrize("key", [*UNPRINTABLE, "x" * 201])
def test_a_key_that_terminals_or_logs_would_act_upon_is_refused(client: Client, key: str) -> None:
    with pytest.raises(InvalidPayload, match="expected key to be 1 to 200 printable characters"):
        submit_work(works.add, a=1, key=key)


@pytest.mark.parametrize("who", PRINTABLE)
def test_a_partition_stays_in_its_place(client: Client, lane: Lane, redis: Any, who: str) -> None:
    redis.hset(lane.keys.limits, "declared names.by", "1 - -")
    first, second, other = (submit_work(by, who=name) for name in (who, who, "other"))
    assert lane.deliver(first.id)[0] == "RUN"
    assert lane.deliver(second.id)[0] == "HOLD"
    assert lane.deliver(other.id)[0] == "RUN"
    assert redis.zrange(lane.keys.permits(f"names.by {who}"), 0, -1) == [first.id]
    assert redis.zrange(lane.keys.held(f"names.by {who}"), 0, -1) == [second.id]


@pytest.mark.parametrize("who", UNPRINTABLE)
def test_a_partition_that_terminals_or_logs_would_act_upon_is_refused(client: Client, who: str) -> None:
    with pytest.raises(InvalidPayload):
        submit_work(by, who=who)


@pytest.mark.parametrize("name", [name for name in (*UNPRINTABLE, "a b", "a\u00a0b", "x" * 201) if name])
def test_a_work_type_has_a_name_of_one_printable_word(name: str) -> None:
    with pytest.raises(InvalidWork, match="printable characters without spaces"):
        work(name=name, timeout=1)(lambda: None)


@pytest.mark.parametrize("name", [*PRINTABLE[:12], *UNPRINTABLE])
def test_lanes_and_namespaces_are_plain_words(name: str) -> None:
    if name in ("-", "--json"):
        return
    with pytest.raises(SettingsError, match="expected namespace to be 1 to 64 letters"):
        load_settings(namespace=name)
    with pytest.raises(InvalidWork, match="expected lane to be 1 to 64 letters"):
        work(name="names.lane", timeout=1, lane=name)(lambda: None)


def test_no_two_names_make_the_same_key() -> None:
    keys = LaneKeys("space", "lane")
    makers = [value for name, value in vars(LaneKeys).items() if callable(value) and not name.startswith("_")]
    made = [maker(keys, name) for maker in makers for name in PRINTABLE]
    made += [value.fget(keys) for value in vars(LaneKeys).values() if isinstance(value, property) and value.fget]
    texts = list(itertools.chain.from_iterable(each if isinstance(each, tuple) else [each] for each in made))
    # The queue itself is the first of the queues.
    assert len(texts) - len(set(texts)) == 1


# Logs and terminals


def test_what_others_have_written_does_not_reach_the_terminal(
    client: Client, lane: Lane, redis: Any, settings: Settings
) -> None:
    """Whoever can write to Redis can write anything; who looks at it must not be fooled."""
    waiter = submit_work(works.add, a=1, key="k")
    hostile = "x\x1b[2J\x9b31m\u202e"
    forged = {"name": hostile, "worker": hostile, "state": "CANCELLED", "reason": hostile}
    redis.hset(lane.keys.work(waiter.id), mapping=forged)
    redis.zadd(lane.keys.workers, {hostile: lane.now()})
    redis.hset(lane.keys.runtimes, hostile, f"1 1 {lane.now()}")
    redis.zadd(lane.keys.index("CANCELLED"), {waiter.id: 2**50})
    options = ["--redis-url", str(settings.redis_url), "--namespace", settings.namespace]
    for command in (["list"], ["status", waiter.id], ["top", "--once", "--interval", "100ms"], ["doctor"]):
        told = CliRunner().invoke(main, [*options, *command])
        assert not {"\x1b", "\x9b", "\u202e"} & set(told.output), command


# SQL


@pytest.mark.parametrize("name", [*(name for name in PRINTABLE if name.strip()), "a\nb", "select", "rowid"])
def test_tables_and_columns_of_an_import_are_names_and_no_sql(tmp_path: Path, name: str) -> None:
    database, source = tmp_path / "t.db", tmp_path / "s.csv"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE keep (x)")
    quoted_name = '"' + name.replace('"', '""') + '"'
    source.write_text(f"{quoted_name},b\n1,2\n", encoding="utf-8")
    report = csv_import(WorkContext(timeout=20), source=source, table=name, database=f"sqlite:///{database}")
    assert (report.table, list(report.columns)) == (name, [name, "b"])
    with closing(sqlite3.connect(database)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        assert tables == {"keep", name}
        assert connection.execute(f"SELECT * FROM {quoted_name}").fetchall() == [(1, 2)]


def test_a_table_whose_name_no_database_takes_is_an_error_of_the_import(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("a\n1\n")
    url = f"sqlite:///{tmp_path}/t.db"
    with pytest.raises(TargetError):
        csv_import(WorkContext(timeout=20), source=tmp_path / "s.csv", table="a\x00b", database=url)


# Commands and paths


@pytest.mark.parametrize("name", [*PRINTABLE, 'INBOX"\r\na2 DELETE INBOX', "a\r\nb", "\x00", "{5}"])
def test_a_folder_is_one_argument_of_a_command(name: str) -> None:
    told = quoted(name)
    assert told.isascii()
    assert told.isprintable()
    inner = told[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\\" not in inner


@pytest.mark.parametrize(
    "source", ["imaps://a%0d%0ab@host/INBOX", "imaps://%00@host", "maildir://../x", "mbox://host/x", "mbox:///"]
)
def test_a_source_that_could_be_another_is_refused(source: str) -> None:
    with pytest.raises(SourceError):
        parse_source(source)


def test_folders_of_a_maildir_are_inside_it(tmp_path: Path) -> None:
    """Their names are decoded for people; files are found by the names that they have."""
    outside = tmp_path / "outside"
    for folder in (outside, tmp_path / "box", tmp_path / "box" / ".&AC8-..&AC8-outside"):
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
    (outside / "cur" / "1.secret").write_bytes(b"Subject: secret\r\n\r\n")
    report = mailbox_sync(
        WorkContext(timeout=20), source=f"maildir://{tmp_path}/box", index=tmp_path / "index.db", password_file=None
    )
    assert report.folders == 2
    assert report.messages == 0
