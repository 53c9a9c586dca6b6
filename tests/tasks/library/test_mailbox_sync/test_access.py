"""Who gets in, and how: nothing secret goes through a network in clear, and what can't work is said at once."""

import socket
import ssl

import pytest

from askfirst.tasks import WorkContext
from askfirst.tasks.library.mailbox_sync import IndexFileError, LoginRefused, SourceError, connection, mailbox_sync
from askfirst.tasks.library.mailbox_sync.address import parse_source
from tests.support.fakes import FakeServer
from tests.tasks.library.test_mailbox_sync.conftest import SMALL
from tests.tasks.library.test_mailbox_sync.dovecot import ASCII_PASSWORD, ASCII_USER


def test_a_wrong_password_is_said_at_once_and_nowhere_repeated(account, sync, password_file):
    password_file.write_text("wrong-password\n")
    with pytest.raises(LoginRefused, match=r"127\.0\.0\.1 refuses user.*AUTHENTICATIONFAILED") as raised:
        sync(account.url())
    assert "wrong-password" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("text", ["", "\n", "a\tb\n"])
def test_a_password_file_without_a_password_is_said(account, sync, password_file, text):
    password_file.write_text(text)
    with pytest.raises(SourceError, match="expected the first line"):
        sync(account.url())


def test_a_missing_password_file_is_said(account, sync, password_file):
    password_file.unlink()
    with pytest.raises(SourceError, match="password file can't be read"):
        sync(account.url())


def test_a_missing_folder_is_said(account, sync):
    with pytest.raises(SourceError, match="nowhere: Mailbox doesn't exist"):
        sync(account.url("/nowhere"))


def test_a_host_that_does_not_exist_is_said_at_once(sync):
    with pytest.raises(SourceError, match=r"mail\.invalid: there is no such host"):
        sync("imaps://joe@mail.invalid")


@pytest.mark.parametrize("host", ["mail..example.org", f"{'m' * 64}.example.org"])
def test_a_host_that_can_not_be_is_said(sync, host):
    with pytest.raises(SourceError, match="no host can have that name"):
        sync(f"imaps://joe@{host}")


def test_a_server_that_does_not_list_its_folders_is_said(account, sync, proxy):
    proxy.answer = lambda command: "NO [SERVERBUG] not today" if command.startswith("LIST") else None
    with pytest.raises(SourceError, match=r"the folders can't be listed: \[SERVERBUG\] not today"):
        sync(account.url("", port=proxy.port))


@pytest.mark.parametrize("listed", [b"* LIST () [", b'* LIST () "."', b"* LIST INBOX . ()"])
def test_a_list_of_folders_that_is_none_is_said(account, sync, proxy, listed):
    proxy.rewrite = lambda line: listed + b"\r\n" if line.startswith(b"* LIST") else line
    with pytest.raises(SourceError, match="the folders can't be listed: expected"):
        sync(account.url("", port=proxy.port))


def test_a_list_of_folders_may_say_more_than_their_names(account, sync, proxy):
    """As with RFC 5258."""
    more = b' ("CHILDINFO" ("SUBSCRIBED"))\r\n'
    proxy.rewrite = lambda line: line.rstrip() + more if line.startswith(b"* LIST") else line
    assert sync(account.url("", port=proxy.port)).messages == SMALL


def test_a_server_that_knows_only_the_login_command(dovecot, sync, proxy, password_file):
    """The password is quoted as it must be."""
    password_file.write_text(ASCII_PASSWORD)
    proxy.rewrite = lambda line: line.replace(b" AUTH=PLAIN", b"")
    assert sync(f"imap://{ASCII_USER}@127.0.0.1:{proxy.port}/INBOX").messages == 0


def test_a_password_that_the_login_command_can_not_carry_is_said(account, sync, proxy):
    proxy.rewrite = lambda line: line.replace(b" AUTH=PLAIN", b"")
    with pytest.raises(LoginRefused, match="other characters than ASCII"):
        sync(account.url(port=proxy.port))


# Encryption


def tls_url(account) -> str:
    return f"imaps://{account.user}@localhost:{account.dovecot.tls_port}/INBOX"


def test_a_certificate_that_nobody_vouches_for_is_refused(account, sync):
    with pytest.raises(SourceError, match=r"certificate isn't good: self.signed certificate"):
        sync(tls_url(account))


def test_imaps(account, sync, index, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(account.dovecot.certificate))
    assert sync(tls_url(account)).added == SMALL
    assert index.mail() == account.mail()


def test_a_certificate_for_another_host_is_refused(account, sync, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(account.dovecot.certificate))
    with pytest.raises(SourceError, match=r"certificate isn't good: .*127\.0\.0\.1"):
        sync(tls_url(account).replace("localhost", "127.0.0.1"))


def test_over_a_network_the_connection_is_encrypted_before_the_password_is_sent(account, sync, proxy, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(account.dovecot.certificate))
    monkeypatch.setattr(connection, "_is_loopback", lambda sock: False)
    assert sync(account.url(host="localhost")).added == SMALL


def test_over_a_network_without_encryption_no_password_is_sent(account, sync, proxy, monkeypatch):
    monkeypatch.setattr(connection, "_is_loopback", lambda sock: False)
    said = []
    proxy.answer = said.append
    proxy.rewrite = lambda line: line.replace(b" STARTTLS", b"")
    with pytest.raises(SourceError, match="it offers no encryption"):
        sync(account.url(port=proxy.port))
    assert [command.split()[0] for command in said] == ["CAPABILITY"]


def test_what_was_said_before_the_encryption_is_not_believed(dovecot, sync, monkeypatch):
    """Somebody in between could have said it, such as that the password may be sent in this way."""
    monkeypatch.setenv("SSL_CERT_FILE", str(dovecot.certificate))
    monkeypatch.setattr(connection, "_is_loopback", lambda sock: False)
    heard = []

    def talk(client: socket.socket) -> None:
        client.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n")
        tag, _ = hear(client)
        client.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n%s OK done\r\n" % tag)
        tag, _ = hear(client)
        following = tag[:-1] + b"%d" % (int(tag[-1:]) + 1)
        injected = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n%s OK done\r\n" % following
        client.sendall(b"%s OK begin\r\n%s" % (tag, injected))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(dovecot.certificate, dovecot.folder / "key.pem")
        with context.wrap_socket(client, server_side=True) as client:
            tag, _ = hear(client)
            client.sendall(b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n%s OK done\r\n" % tag)
            hear(client)

    def hear(client: socket.socket) -> list[bytes]:
        heard.append(client.recv(1000).decode())
        return heard[-1].encode().split(maxsplit=1)

    with FakeServer(talk) as server, pytest.raises(SourceError, match="it offers no login that we know"):
        sync(f"imap://joe@localhost:{server.port}/INBOX")
    assert "AUTHENTICATE" not in " ".join(heard)


# The source


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("imaps://joe@example.org", "imaps://joe@example.org:993"),
        ("imaps://joe%40corp@example.org/inbox", "imaps://joe%40corp@example.org:993/INBOX"),
        ("imap://joe@corp@[::1]:1143/Entw%C3%BCrfe/a%20b", "imap://joe%40corp@[::1]:1143/Entw%C3%BCrfe/a%20b"),
        ("mbox:///var/mail/a%20b", "mbox:///var/mail/a%20b"),
        ("maildir:///home/joe/Maildir", "maildir:///home/joe/Maildir"),
    ],
)
def test_sources(source, address):
    assert str(parse_source(source)) == address
    assert parse_source(address) == parse_source(source)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("imaps://joe:secret@example.org", "without a password"),
        ("imaps://example.org", "a user and a host"),
        ("imaps://joe@", "a user and a host"),
        ("imaps://jo%0de@example.org", "a user and a host"),
        ("imaps://joe@example.org:x", "expected source to be"),
        ("imaps://joe@example.org/INBOX?UID=1", "without \\? and #"),
        ("pop3://joe@example.org", "expected source to be"),
        ("/var/mail/joe", "expected source to be"),
        ("mbox://var/mail/joe", "three slashes"),
        ("maildir:", "three slashes"),
    ],
)
def test_what_is_no_source(source, complaint):
    with pytest.raises(SourceError, match=complaint) as raised:
        parse_source(source)
    assert "secret" not in str(raised.value)


# The index


def test_an_index_of_another_mailbox_is_refused(account, sync):
    sync(account.url())
    with pytest.raises(IndexFileError, match="is the index of imap://"):
        sync(account.url("/Other"))


def test_a_file_that_is_no_index_is_refused_and_left_alone(account, sync, index):
    index.path.write_bytes(b"not a database" * 100)
    with pytest.raises(IndexFileError, match="not a database"):
        sync(account.url())
    assert index.path.read_bytes() == b"not a database" * 100


def test_another_database_is_refused_and_left_alone(account, sync, index):
    index.rows("CREATE TABLE mine (x)")
    with pytest.raises(IndexFileError, match="got another database"):
        sync(account.url())
    assert index.rows("SELECT name FROM sqlite_master") == [("mine",)]


def test_a_folder_that_does_not_exist_is_said(account, password_file, tmp_path):
    with pytest.raises(IndexFileError, match="unable to open database file"):
        mailbox_sync(WorkContext(timeout=30), account.url(), tmp_path / "nowhere" / "index.db", password_file)
