"""A real IMAP server of the tests' own: dovecot as an ordinary process, on the loopback, in a folder of its own."""

import contextlib
import grp
import imaplib
import itertools
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.servers import free_port

PASSWORD = "corréct-horse"
# One user has another password, which a client must quote.
ASCII_USER, ASCII_PASSWORD = "ascii", r'say "a\b" twice'
# What is offered to whoever comes in by this address has no CONDSTORE.
PLAIN_HOST = "127.0.0.2"

_CONFIG = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
listen = 127.0.0.1, {plain_host}
ssl = yes
ssl_cert = <{folder}/certificate.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {user}
mail_gid = {group}
mail_location = maildir:{folder}/mail/%u
mail_fsync = never
maildir_very_dirty_syncs = no
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
local {plain_host} {{
  protocol imap {{
    imap_capability = IMAP4rev1
  }}
}}
# One process serves many sessions: to start one for each takes longer than most tests.
service imap {{
  service_count = 1000
  process_min_avail = 1
}}
service imap-login {{
  service_count = 0
  process_min_avail = 1
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
  # Else whoever follows a wrong password has to wait.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


class Dovecot:
    """The server; every user exists, and all have the same password."""

    def __init__(self) -> None:
        self.folder = quick_folder()
        self.certificate = self.folder / "certificate.pem"
        self.port = free_port()
        self.tls_port = free_port()
        # It refuses to serve root's mail; so, where the tests run as root, it runs as nobody.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._prepare()
            self._start()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def maildir(self, user: str) -> Path:
        return self.folder / "mail" / user

    def deliver(self, user: str, messages: Iterable[bytes], *, flags: str = "", folder: str = "INBOX") -> None:
        """Puts messages into a folder, as a delivery agent does."""
        path = self._folder(user, folder)
        for number, message in zip(self._numbers, messages, strict=False):
            (path / "cur" / f"{1_700_000_000 + number}.M{number}.test:2,{flags}").write_bytes(message)
        self._own(self.maildir(user))

    def copy(self, user: str, to: str, count: int) -> None:
        """Gives a user some of the mail of another one, without copying its text."""
        path = self._folder(to, "INBOX")
        for name in sorted(os.listdir(self.maildir(user) / "cur"))[:count]:
            os.link(self.maildir(user) / "cur" / name, path / "cur" / name)
        self._own(self.maildir(to))

    def restore(self, user: str) -> None:
        """Gives the inbox another UIDVALIDITY, as when it is restored from a backup."""
        uids = self.maildir(user) / "dovecot-uidlist"
        uids.write_bytes(re.sub(rb" V(\d+) ", lambda found: b" V%d " % (int(found[1]) + 1), uids.read_bytes(), count=1))
        for path in self.maildir(user).glob("dovecot.index*"):
            path.unlink()

    @contextlib.contextmanager
    def session(self, user: str, folder: str = "INBOX") -> Iterator[imaplib.IMAP4]:
        """A session of another mail program."""
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=20) as imap:
            imap.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
            imap.select(f'"{folder}"')
            yield imap

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self) -> None:
        for name in ("run", "mail"):
            (self.folder / name).mkdir()
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.folder / "key.pem"]
        subprocess.run(
            ["openssl", "req", "-x509", *key, *subject, "-out", self.certificate], check=True, capture_output=True
        )
        config = _CONFIG.format(
            folder=self.folder,
            user=self._account.pw_name,
            group=grp.getgrgid(self._account.pw_gid).gr_name,
            password=PASSWORD,
            plain_host=PLAIN_HOST,
            port=self.port,
            tls_port=self.tls_port,
        )
        (self.folder / "dovecot.conf").write_text(config)
        (self.folder / "users").write_text(f"{ASCII_USER}:{{PLAIN}}{ASCII_PASSWORD}\n")
        self.folder.chmod(0o755)
        self._own(self.folder)

    def _start(self) -> None:
        command = [str(find_dovecot()), "-F", "-c", str(self.folder / "dovecot.conf")]
        as_whom = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **(as_whom if os.geteuid() == 0 else {})
        )
        eventually(self._answers, what=f"dovecot answers; its log: {self.log()}")

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text()[-3000:] if path.exists() else ""

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"dovecot ended: {self.log()}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
            return probe.recv(4) == b"* OK"
        return False

    def _folder(self, user: str, folder: str) -> Path:
        path = self.maildir(user) if folder == "INBOX" else self.maildir(user) / f".{folder}"
        for part in ("tmp", "new", "cur"):
            (path / part).mkdir(parents=True, exist_ok=True)
        return path

    def _own(self, folder: Path) -> None:
        """Has all in a folder belong to whom dovecot runs as."""
        if os.geteuid() == 0:
            for path, folders, files in os.walk(folder):
                for name in (".", *folders, *files):
                    os.chown(Path(path, name), self._account.pw_uid, self._account.pw_gid)


def quick_folder() -> Path:
    """A new folder, in memory where it can be: on a busy disk, making files and syncing them takes most of the time."""
    return Path(tempfile.mkdtemp(prefix="askfirst-mail-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


def find_dovecot() -> Path | None:
    """Dovecot's program, which is not on everybody's PATH."""
    found = shutil.which("dovecot", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None
