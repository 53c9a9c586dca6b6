"""A real PostgreSQL of the tests' own: an ordinary process on a socket in a folder of its own, stopped and started."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import OperationalError

from .eventually import eventually


def find_postgres() -> Path | None:
    """The folder of its programs; Debian has them in none of the PATH."""
    place = shutil.which("initdb")
    found = [Path(place).resolve().parent] if place else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "postgres").exists()), None)


class Postgres:
    """A server process with its folder."""

    def __init__(self) -> None:
        programs = find_postgres()
        assert programs is not None, "it is not installed"
        self._server = programs / "postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="askfirst-pg-"))
        # It refuses to run as root.
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        os.chown(self.folder, self._account.pw_uid, self._account.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._initialise(programs / "initdb")
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://tests@/postgres?host={self.folder}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        command = [str(self._server), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-c", "listen_addresses=", "-c", "fsync=off"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, user=self._account.pw_uid, group=self._account.pw_gid
            )
        eventually(self._answers, within=30, what=f"PostgreSQL answers; see {self.folder}/log")

    def stop(self) -> None:
        """Ends it and its children at once, as a crash does; `start` brings it back."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(20)
        self._process = None

    def close(self) -> None:
        """Ends it for good and removes its folder."""
        if self._process is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]

    def _initialise(self, program: Path) -> None:
        options = ("--no-sync", "--auth", "trust", "--username", "tests", "--encoding", "UTF8", "-D", "data")
        subprocess.run(
            [str(program), *options],
            cwd=self.folder,
            user=self._account.pw_uid,
            group=self._account.pw_gid,
            check=True,
            capture_output=True,
            timeout=60,
        )

    def _answers(self) -> bool:
        try:
            return self.rows("SELECT 1") == [(1,)]
        except OperationalError:
            return False
