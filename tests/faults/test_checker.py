"""Each invariant finds what breaks it, and lets pass what a fault excuses: journals written by hand."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults import live
from tests.faults.checker import RULES, check
from tests.faults.journal import Line
from tests.faults.stage import LEASE
from tests.faults.story import Story
from tests.support.eventually import eventually

ID = "default." + "0" * 32


class Book:
    """A journal in the making; all times in seconds from its begin."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def write(self, at: float, event: str, by: str = "campaign", pid: int = 1, **what: Any) -> "Book":
        self.lines.append({"at": at, "by": by, "pid": pid, "event": event} | what)
        return self

    def accepted(self, at: float, number: str = "c1.1/1", kind: str = "quick", timeout: float = 40.0) -> "Book":
        self.write(at, "asks", "c1.1", n=number, kind=kind, timeout=timeout)
        return self.write(at, "accepted", "c1.1", n=number, id=ID, deadline=at + timeout)

    def answered(self, at: float, what: str = "result", number: str = "c1.1/1", attempt: int = 1) -> "Book":
        told = {"work": ID, "attempt": attempt} if what == "result" else {"reason": "", "message": "why"}
        return self.write(at, "answered", "c1.1", n=number, id=ID, what=what, **told)

    def began(self, at: float, attempt: int = 1, by: str = "w1.1", pid: int = 11, **more: Any) -> "Book":
        run = {"work": ID, "key": None, "n": "c1.1/1", "kind": "sleep", "group": ""} | more
        return self.write(at, "began", by, pid, attempt=attempt, **run)

    def ended(self, at: float, attempt: int = 1, by: str = "w1.1", pid: int = 11, work: str = ID) -> "Book":
        return self.write(at, "ended", by, pid, work=work, attempt=attempt)

    def heard(self, *times: float, worker: str = "w1.1") -> "Book":
        for at in times:
            self.write(at, "heard", worker=worker, lane="default", beat=at)
        return self

    def fault(self, at: float, over: float, kind: str = "kill redis", redis: bool = True, **details: Any) -> "Book":
        self.write(at, "fault", number=1, kind=kind, redis=redis, **details)
        return self.write(over, "over", number=1, kind=kind, redis=redis)

    def broken(self) -> list[str]:
        """The rules that are broken."""
        return [violation.rule for violation in check(Story(sorted(self.lines, key=lambda line: line["at"])))]


ANSWER = "every waiter gets exactly one answer by its deadline"
RIGHT = "an answer is the work's own, of its newest attempt"
DROPPED = "no wanted work is dropped"
OVERLAP = "two runs of one work never overlap"
LIMIT = "limits are never exceeded"
STATE = "every accepted work ends in exactly one state"


def test_a_work_that_goes_as_it_should_breaks_nothing() -> None:
    assert Book().accepted(0).began(1).ended(2).answered(2).broken() == []


def test_every_rule_is_tried_here() -> None:
    tried = {ANSWER, RIGHT, DROPPED, OVERLAP, LIMIT, STATE} | {rule for _, rule in OTHERS}
    assert tried == set(RULES)


# Callers


@pytest.mark.parametrize(
    "book",
    [
        Book().accepted(0).heard(42),
        Book().accepted(0).answered(41.5, "WorkTimeout"),
        Book().accepted(0).answered(1).answered(1),
        Book().write(0, "asks", "c1.1", n="c1.1/1", kind="quick", timeout=40.0).heard(6),
    ],
    ids=["none", "late", "two", "no end of the submission"],
)
def test_an_answer_that_is_missing_late_or_one_too_many(book: Book) -> None:
    assert ANSWER in book.broken()


def test_what_may_come_yet_is_no_violation() -> None:
    """The journal is looked at while it is written, too."""
    assert Book().accepted(0).heard(39).broken() == []
    assert Book().fault(0, 1).heard(3).broken() == []


def test_a_killed_caller_gets_none_and_a_stopped_one_when_it_goes_on() -> None:
    killed = Book().accepted(0).write(1, "killed", process="c1.1", os_pids=[5], whole=True)
    assert ANSWER not in killed.broken()
    stopped = Book().accepted(0).answered(43, "WorkTimeout").fault(38, 43, "pause caller", False, harms=["c1.1"])
    assert ANSWER not in stopped.broken()


@pytest.mark.parametrize(
    "book",
    [
        Book().accepted(0).began(0).ended(1).began(2, 2).ended(3, 2).answered(3, attempt=1),
        Book().accepted(0).answered(1, "WorkFailed"),
        Book().accepted(0).answered(1, "WorkCancelled"),
        Book().accepted(0, kind="broken").answered(1),
        Book().accepted(0).began(0).ended(1).answered(1, "WorkLost"),
    ],
    ids=["stale", "failed", "cancelled", "of another", "lost"],
)
def test_an_answer_that_is_not_the_works(book: Book) -> None:
    assert RIGHT in book.broken()


def test_a_wanted_work_that_is_dropped_in_peace() -> None:
    assert Book().accepted(0).answered(40, "WorkTimeout").broken() == [DROPPED]


def test_a_work_without_peace_and_one_that_redis_lost_may_be() -> None:
    assert Book().accepted(0).answered(40, "WorkTimeout").fault(5, 30).began(30.1, work="default.x").broken() == []
    lost = {"loses since": 0.0}
    assert Book().accepted(0).answered(40, "WorkTimeout").fault(5, 6, **lost).began(7, work="default.x").broken() == []


# Runs


def test_runs_that_overlap_while_the_lease_holds() -> None:
    twice = Book().accepted(0).heard(1, 2, 3, 4).began(1).began(4, 2, "w2.1", 22).ended(5).ended(6, 2, "w2.1", 22)
    assert twice.answered(6, attempt=2).broken() == [OVERLAP]


def test_a_run_may_begin_when_the_lease_of_another_has_lapsed() -> None:
    again = 1 + LEASE + 0.1
    lapsed = Book().accepted(0).heard(1).began(1).began(again, 2, "w2.1", 22).ended(9).ended(9, 2, "w2.1", 22)
    assert lapsed.answered(9, attempt=2).broken() == []


def test_a_run_ends_with_its_process() -> None:
    died = Book().accepted(0).heard(1, 2, 3).began(1).write(2, "killed", process="w1.1", os_pids=[11], whole=False)
    assert died.began(3, 2, "w2.1", 22).ended(4, 2, "w2.1", 22).answered(4, attempt=2).broken() == []


def test_more_at_once_than_allowed() -> None:
    book = Book().heard(0, 1, 2, 3)
    for number in range(4):
        book.began(1, work=f"default.{number}", group="three_at_once", pid=number)
    for number in range(4):
        book.ended(3, work=f"default.{number}", pid=number)
    assert book.broken() == [LIMIT]


def test_more_starts_in_a_period_than_allowed() -> None:
    book = Book()
    for number in range(21):
        book.began(1 + number / 10, work=f"default.{number}", group="paced").ended(3.5, work=f"default.{number}")
    assert book.broken() == [LIMIT]


# What is left


@pytest.mark.parametrize(
    ("state", "indexes", "answer"),
    [(None, [], "result"), ("FAILED", ["COMPLETED", "FAILED"], "WorkFailed"), ("FAILED", ["FAILED"], "result")],
    ids=["no record", "two indexes", "another answer"],
)
def test_a_work_that_is_not_in_one_state(state: str | None, indexes: list[str], answer: str) -> None:
    book = Book().accepted(0, kind="broken" if answer != "result" else "quick").began(0).ended(1).answered(1, answer)
    assert book.write(50, "state", id=ID, state=state, indexes=indexes).broken() == [STATE]


def test_ends_are_counted() -> None:
    assert Book().write(1, "totals", totals={"works": 2, "COMPLETED": 3}).broken() == [STATE]


OTHERS = [
    (
        Book().write(0, "asks", "c1.1", n="c1.1/1", kind="quick", timeout=40.0).write(
            1, "refused", "c1.1", n="c1.1/1", error="LedgerUnavailable", message="away"
        ),
        "a refusal has a cause",
    ),
    (
        Book().write(0, "asks", "c1.1", n="c1.1/1", kind="quick", timeout=40.0).write(
            8, "accepted", "c1.1", n="c1.1/1", id=ID, deadline=40.0
        ).began(8).ended(9).answered(9),
        "a submission comes back in seconds",
    ),
    (Book().accepted(0, timeout=2.0).began(3).ended(4).answered(2, "WorkTimeout"), "no start after the deadline"),
    (
        Book().accepted(0).write(1, "withdraws", "c1.1", n="c1.1/1").answered(1, "WorkCancelled").began(5).ended(6),
        "nothing is started that nobody wants",
    ),
    (
        Book().began(0, key="k").ended(2)
        .began(1, key="k", work="default.x", pid=12).ended(2, pid=12, work="default.x"),
        "two runs of one key never overlap",
    ),
    (Book().write(1, "died", process="w1.1", code=1, expected=False), "nothing ends by itself"),
    (Book().write(1, "aside", messages=["{}"]), "no message of ours is taken for a bad one"),
    (Book().write(1, "left", "c1.1", unanswered=["c1.1/1"], threads=[]), "nothing is left behind"),
    (
        Book().fault(0, 0, "kill child", False).began(0).write(1, "killed", process="w1.1", os_pids=[11], whole=False)
        .began(20, 2, "w2.1", 22).ended(21, 2, "w2.1", 22),
        "what a dead process was at starts again within 15 s",
    ),
    (Book().fault(0, 1).began(7).ended(8), "the fleet works again within 5 s"),
]  # fmt: skip


@pytest.mark.parametrize(("book", "rule"), OTHERS, ids=[rule for _, rule in OTHERS])
def test_the_other_rules(book: Book, rule: str) -> None:
    assert book.broken() == [rule]


def test_violations_are_counted_beside_a_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(line) + "\n" for line in Book().accepted(0).heard(42).lines))
    monkeypatch.setattr(live, "_EVERY", 0.0)
    with closing(live.Live(journal)) as count:
        eventually(lambda: count.look() or count.violations == 1, what="the missing answer is counted")
