"""A Redis as docs/security.md says, from the files that it names."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from askfirst.config import Settings
from askfirst.interest.server import EmbeddedRedisError, find_server
from tests.support.eventually import eventually
from tests.support.leaks import lasting_children
from tests.support.processes import ROOT, end
from tests.support.servers import free_port

FILES = ROOT / "deploy" / "secure"


class SecureRedis:
    """With TLS and users; nothing else than the port and the folder differs from the example."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.authority = folder / "ca.crt"
        for name in ("redis.conf", "users.acl"):
            shutil.copy(FILES / name, folder)
        made = subprocess.run(
            [FILES / "make_certificates.sh", "localhost", "127.0.0.1"], cwd=folder, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr
        command = [find_server((7, 0)).path, "redis.conf", "--tls-port", str(self.port), "--dir", str(folder)]
        command += ["--logfile", str(folder / "redis.log"), "--bind", "127.0.0.1"]
        self.process = subprocess.Popen([str(part) for part in command], cwd=folder, text=True, start_new_session=True)
        lasting_children.add(self.process.pid)
        try:
            eventually(self._answers, what=f"redis-server answers; see {folder}/redis.log")
        except BaseException:
            self.close()
            raise

    def url(self, user: str) -> str:
        return f"rediss://{user}:change-me-{user}@127.0.0.1:{self.port}/0?ssl_ca_certs={self.authority}"

    def client(self, user: str = "admin") -> Any:
        return redis_py.Redis.from_url(self.url(user), decode_responses=True, protocol=2)

    def denied(self) -> list[str]:
        """What users were not allowed to do so far, by the server's own log; it begins anew."""
        with contextlib.closing(self.client()) as admin:
            found = [f"{each['username']} {each['reason']} {each['object']}" for each in admin.acl_log()]
            admin.acl_log_reset()
        return found

    def close(self) -> None:
        end(self.process)
        lasting_children.discard(self.process.pid)

    def _answers(self) -> bool:
        with contextlib.suppress(redis_py.ConnectionError), contextlib.closing(self.client()) as admin:
            return bool(admin.ping())
        return False


@pytest.fixture(scope="session")
def secure_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureRedis]:
    try:
        find_server((7, 0))
    except EmbeddedRedisError:
        pytest.skip("the example's users need Redis 7 or newer")
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("secure")
    try:
        server = SecureRedis(folder)
    except AssertionError:
        if "Failed finding TLS support" in (folder / "redis.log").read_text():
            pytest.skip("the server at hand was built without TLS")
        raise
    yield server
    server.close()


def settings_for(server: SecureRedis, user: str) -> Settings:
    pulse = {"pulse_interval": 0.5, "pulse_timeout": 1.5}
    return Settings(redis_url=server.url(user), namespace="fleet", retention=60.0, **pulse)
