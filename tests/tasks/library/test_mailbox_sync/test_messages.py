"""What is kept of a message, and that no message, whatever it is made of, stops a sync."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.tasks.library.mailbox_sync import SourceError
from askfirst.tasks.library.mailbox_sync.mailboxes import Described, Fetched
from askfirst.tasks.library.mailbox_sync.summary import Summary, summarise
from tests.tasks.library.test_mailbox_sync.messages import copies, originals


def summary_of(content: bytes, whole: bool = True) -> Summary:
    return summarise(Fetched(Described(1, "", None, len(content)), content, whole))


def test_a_message_as_it_should_be():
    content = (
        b"Message-ID: <1@example.org>\r\nFrom: =?utf-8?q?Zo=C3=AB?= <zoe@example.org>\r\n"
        b"To: a@example.org,\r\n\tb@example.org\r\nCc: c@example.org\r\n"
        b"Subject: =?iso-8859-1?q?Gr=FC=DFe?= =?utf-8?b?IOKCrA==?=, all\r\n"
        b"Date: Thu, 29 Feb 2024 12:00:00 +0130\r\n\r\nText\r\n"
    )
    assert summary_of(content) == Summary(
        message_id="<1@example.org>",
        subject="Grüße €, all",
        sender="Zoë <zoe@example.org>",
        recipients="a@example.org, b@example.org, c@example.org",
        sent_at=datetime(2024, 2, 29, 10, 30, tzinfo=UTC),
        digest=hashlib.sha256(content).hexdigest(),
        problems=[],
    )


HEADER = b"From: a@b\r\nDate: 1 Jan 2024 00:00:00 +0000\r\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it has no header"),
        (b"\r\n\r\nText", "it has no header"),
        (b"just text", "it has no header"),
        (HEADER + b"no header\r\n\r\n", "its header is malformed: MissingHeaderBodySeparatorDefect"),
        (b" continued\r\n" + HEADER, "its header is malformed: FirstHeaderLineIsContinuationDefect"),
        (b"Date: 1 Jan 2024 00:00:00 +0000\r\n\r\n", "it has no From"),
        (b"From: a@b\r\n\r\n", "it has no Date"),
        (b"From: a@b\r\nDate: yesterday\r\n\r\n", "its Date can't be read"),
        (b"From: a@b\r\nDate: Mon, 99 Foo 2024 99:99:99 +9999\r\n\r\n", "its Date can't be read"),
        (b"From: a@b\r\nDate: 31 Dec 9999 23:00:00 -2300\r\n\r\n", "its Date can't be read"),
        (HEADER + b"Subject: Gr\xfc\xdfe\r\n\r\n", "its Subject has 8-bit characters that are not UTF-8"),
        (HEADER + b"Subject: =?nonsense?q?x=FF?=\r\n\r\n", "its Subject can't be decoded: unknown encoding: nonsense"),
        (HEADER + b"Subject: =?utf-8?q?=FF?=\r\n\r\n", "its Subject can't be decoded: 'utf-8' codec"),
        (HEADER + b"Subject: =?utf-8?b?A?=\r\n\r\n", "its Subject can't be decoded: Base64 decoding error"),
        (HEADER + b"X-Long: " + b"x" * 70_000 + b"\r\n\r\n", "its header is too long to be true"),
    ],
)
def test_what_is_wrong_is_noted(content, problem):
    summary = summary_of(content)
    assert any(noted.startswith(problem) for noted in summary.problems), summary.problems
    assert summary.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: Gr\xc3\xbc\xc3\x9fe", "Grüße"),  # RFC 6532
        (b"Subject: Gr\xfc\xdfe", "Grüße"),  # noted, and taken for Latin 1
        (b"subject:    much\t\x00space\r\n here  ", "much space here"),
        (b"Subject: one\r\nSubject: two", "one"),
        (b"Subject: " + b"x" * 3_000, "x" * 2_000),
        (b"Subject: =?nonsense?q?x=FF?=", "=?nonsense?q?x=FF?="),
    ],
)
def test_what_can_be_read_is_kept(header, subject):
    assert summary_of(HEADER + header + b"\r\n\r\n").subject == subject


def test_a_date_without_zone_is_taken_for_utc():
    assert summary_of(b"Date: 1 Jan 2024 00:00:00 -0000\r\n\r\n").sent_at == datetime(2024, 1, 1, tzinfo=UTC)


def test_a_message_of_which_only_the_header_was_read_has_no_digest():
    assert summary_of(HEADER + b"\r\n", whole=False).digest is None


def test_of_all_the_messages_of_cpythons_tests_something_is_kept():
    assert len(originals()) >= 20
    for content in copies(len(originals())):
        summary = summary_of(content)
        assert summary.message_id.endswith("@copies.example>")
        assert summary.digest == hashlib.sha256(content).hexdigest()


@given(st.binary(max_size=300), st.sampled_from([b"", b"Subject: ", b"Date: ", b"From: =?utf-8?b?", b"To: =?x?q?"]))
def test_no_bytes_are_too_strange(noise, name):
    summary = summary_of(HEADER + name + noise)
    for text in (summary.subject, summary.sender, summary.recipients, summary.message_id, *summary.problems):
        text.encode()  # what SQLite will do


def test_errors_say_that_they_are_of_a_sync():
    assert [base.__name__ for base in SourceError.__mro__][1] == "MailboxSyncError"
