"""pytest-celery's containers as plain processes: it needs no container engine for what we want of it."""

from collections.abc import Callable
from typing import Any, ClassVar

from pytest_celery import CeleryWorkerContainer, RedisContainer

from tests.support.fleet import Worker
from tests.support.servers import RedisServer


class Process:
    """What pytest-celery asks of a Docker container, of a process that can be started again."""

    attrs: ClassVar[dict[str, Any]] = {
        "Config": {"Hostname": "localhost", "Env": []},
        "HostConfig": {"PortBindings": {}},
        "NetworkSettings": {"Networks": {}, "Ports": {}},
    }

    def __init__(
        self, name: str, start: Callable[[], None], kill: Callable[[Any], None], read: Callable[[], str]
    ) -> None:
        self.id = self.name = name
        self.status = "running"
        self._start = start
        self._kill = kill
        self._read = read

    def reload(self) -> None:
        """Nothing is cached."""

    def logs(self) -> bytes:
        return self._read().encode()

    def kill(self, signal: Any = None) -> None:
        self._kill(signal or "SIGKILL")
        self.status = "exited"

    def restart(self, timeout: float) -> None:
        if self.status == "running":
            self.kill("SIGTERM")
        self._start()
        self.status = "running"


class RedisNode(RedisContainer):  # type: ignore[misc]  # pytest-celery is untyped
    """Broker and ledger."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        log = server.folder / "redis.log"
        super().__init__(Process("redis", server.start, lambda _: server.kill(), log.read_text))

    @property
    def url(self) -> str:
        return self._server.url()

    @property
    def host_url(self) -> str:
        return self._server.url()

    @property
    def port(self) -> int:
        return self._server.port


class WorkerNode(CeleryWorkerContainer):  # type: ignore[misc]  # pytest-celery is untyped
    """A worker as `askfirst worker` starts it; after a restart another process under the same name."""

    def __init__(self, start: Callable[[], Worker]) -> None:
        self._start_worker = start
        self._worker = start()
        super().__init__(Process("worker", self._start, self._kill, lambda: self._worker.log()))

    def _start(self) -> None:
        self._worker = self._start_worker()

    def _kill(self, signal: Any) -> None:
        if signal == "SIGKILL":
            self._worker.kill()
        else:
            self._worker.stop()

    def teardown(self) -> None:
        self._worker.close()
