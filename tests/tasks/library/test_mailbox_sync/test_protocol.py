"""What an IMAP server says and is told, by the letter of the RFCs."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.tasks.library.mailbox_sync import responses
from askfirst.tasks.library.mailbox_sync.names import plain, quoted, uid_set
from askfirst.tasks.library.mailbox_sync.responses import ResponseError


@pytest.mark.parametrize(
    ("response", "values"),
    [
        ([rb"1 (UID 7 FLAGS (\Seen $Junk [x]))"], [b"1", [b"UID", b"7", b"FLAGS", [rb"\Seen", b"$Junk", b"[x]"]]]),
        ([rb'(\HasNoChildren) "/" "a \"b\" \\c"'], [[rb"\HasNoChildren"], b"/", rb'a "b" \c']),
        ([rb"(\Noselect) NIL INBOX"], [[rb"\Noselect"], None, b"INBOX"]),
        ([(b'1 (UID 7 BODY[HEADER.FIELDS ("A B")]<0> {3}', b"(x\r"), b' X "" Y ())'],
         [b"1", [b"UID", b"7", b'BODY[HEADER.FIELDS ("A B")]<0>', b"(x\r", b"X", b"", b"Y", []]]),
        ([(b"a {1}", b"b"), (b" {1}", b"c"), b""], [b"a", b"b", b"c"]),
    ],
)  # fmt: skip
def test_responses(response, values):
    assert responses.read(response) == values


@pytest.mark.parametrize("response", [b"(", b")", b'"', b"{3}", b"(x))"])
def test_what_is_no_response(response):
    with pytest.raises(ResponseError):
        responses.read([response])


def test_of_responses_that_were_cut_off_the_whole_ones_are_kept():
    parts = [(b"1 (BODY[] {1}", b"a"), b")", b"2 (FLAGS ())", (b"3 (BODY[] {1}", b"b")]
    assert list(responses.whole_responses(parts)) == [parts[:2], parts[2:3]]
    assert list(responses.whole_responses([None])) == []


def test_moments():
    assert responses.moment(b" 7-Jul-1996 02:44:25 -0700") == datetime(1996, 7, 7, 9, 44, 25, tzinfo=UTC)
    assert responses.moment(b"never") is None
    assert responses.moment(None) is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("INBOX", '"INBOX"'),
        ("Entwürfe & Ablage", '"Entw&APw-rfe &- Ablage"'),
        ("~peter/mail/台北/日本語", '"~peter/mail/&U,BTFw-/&ZeVnLIqe-"'),  # RFC 3501, 5.1.3
        ('a "b" \\c', r'"a \"b\" \\c"'),
        ("😀", '"&2D3eAA-"'),
        ("a\r\nb", '"a&AA0ACg-b"'),
    ],
)
def test_names_of_folders(name, told):
    assert quoted(name) == told
    assert plain(told[1:-1].replace(r"\"", '"').replace(r"\\", "\\")) == name


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_every_name_comes_back(name):
    told = quoted(name)[1:-1].replace(r"\"", '"').replace(r"\\", "\\")
    assert told.isascii()
    assert plain(told) == name


@pytest.mark.parametrize("name", ["a&b", "&A-", "&ZeVnLIq-", "&2D0-"])
def test_names_that_are_no_modified_utf7_stay_as_they_are(name):
    assert plain(name) == name


@given(st.sets(st.integers(1, 300), min_size=1))
def test_sets_of_uids(uids):
    told = uid_set(sorted(uids))
    ranges = [part.partition(":") for part in told.split(",")]
    assert [uid for first, _, last in ranges for uid in range(int(first), int(last or first) + 1)] == sorted(uids)


def test_sets_of_uids_are_short():
    assert uid_set([1, 2, 3, 7, 9, 10]) == "1:3,7,9:10"
