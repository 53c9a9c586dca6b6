"""An existing Celery project adopts askfirst by one line, and goes on as ever."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from kombu.transport.redis import Channel

from askfirst import State, submit_work
from askfirst.config import Settings, SettingsError
from askfirst.waiters.client import Client
from askfirst.workers import install
from askfirst.workers.app import _consume_lanes
from tests.support import works
from tests.support.eventually import eventually
from tests.support.fleet import Worker, lines
from tests.support.servers import RedisServer

PROJECT = """
import askfirst
from celery import Celery
from kombu.transport.redis import Channel
from tests.support import works
from tests.support.works import note
from pathlib import Path
from types import SimpleNamespace
from typing import Any

app = Celery("proj", broker={broker!r}, backend={broker!r})
app.conf.result_expires = 60
app.conf.task_ignore_result = False

@app.task
def ordinary(proof, line="ordinary"):
    note(Path(proof), line)
    return line

@app.task(bind=True, max_retries=2)
def retried(self, proof):
    note(Path(proof), f"try {{self.request.retries}}")
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return "done"

askfirst.install(app, namespace={namespace!r})
"""


@pytest.fixture
def project(redis_server: RedisServer, redis: object, namespace: str, tmp_path: Path) -> Iterator[Celery]:
    """The project's app, as its own callers have it."""
    broker = redis_server.url()
    (tmp_path / "proj.py").write_text(PROJECT.format(broker=broker, namespace=namespace))
    app = Celery("caller", broker=broker, backend=broker, set_as_current=False)
    yield app
    app.close()


@pytest.fixture
def project_worker(project: Celery, start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    def start(*options: str, lanes: tuple[str, ...] = ("default", "io")) -> Worker:
        command = ["-m", "celery", "-A", "proj", "worker", "-n", "w1@%h", "-c", "2", "--loglevel", "INFO", *options]
        return start_worker(command=command, lanes=lanes)

    return start


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_celerys_own_worker_serves_ordinary_tasks_and_works(
    client: Client, project: Celery, project_worker: Callable[..., Worker], tmp_path: Path, pool: str
) -> None:
    proof, running = tmp_path / "proof", tmp_path / "running"
    submit_work(works.prove, proof=proof, line="unwanted").cancel()
    project_worker("-P", pool)
    ordinary = project.send_task("proj.ordinary", kwargs={"proof": str(proof)})
    retried = project.send_task("proj.retried", kwargs={"proof": str(proof)})
    waiters = [
        submit_work(works.add, a=40, b=2),
        submit_work(works.double, x=21),
        submit_work(works.in_another_lane, proof=proof),
    ]
    assert [waiter.result(timeout=10) for waiter in waiters] == [42, 42, "io"]
    assert ordinary.get(timeout=10) == "ordinary"
    assert retried.get(timeout=10) == "done"
    assert sorted(lines(proof)) == ["ordinary", "ran", "try 0", "try 1", "try 2"]
    stopped = submit_work(works.linger, proof=running)
    eventually(lambda: lines(running), what="it runs")
    stopped.cancel()
    eventually(lambda: lines(running)[-1].startswith("stopped"), what="it is stopped")


def test_a_worker_told_its_queues_serves_those_only(
    client: Client,
    namespace: str,
    project: Celery,
    project_worker: Callable[..., Worker],
    tmp_path: Path,
) -> None:
    project_worker("-Q", f"{namespace}.io", lanes=("io",))
    served = submit_work(works.in_another_lane, proof=tmp_path / "proof")
    other = submit_work(works.add, a=1, timeout=20)
    assert served.result(timeout=10) == "io"
    status = other.status()
    assert status is not None
    assert status.state is State.PENDING


MOVED: dict[str, Any] = {"global_keyprefix": "proj:", "sep": ":", "priority_steps": [0, 5, 9]}


@pytest.mark.parametrize("option", MOVED)
def test_an_app_that_looks_for_messages_elsewhere_is_refused(option: str) -> None:
    app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = {option: MOVED[option]}
    with pytest.raises(SettingsError, match=f"expected broker_transport_options without {option}: "):
        install(app, Settings())


def test_an_app_that_does_not_read_json_is_refused() -> None:
    app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.accept_content = ["msgpack"]
    with pytest.raises(SettingsError, match="expected accept_content to have 'json'"):
        install(app, Settings())


def test_an_app_with_more_priorities_is_welcome() -> None:
    app = Celery(broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "", "sep": Channel.sep, "priority_steps": list(range(10))}
    assert install(app, Settings()).broker_url == "redis://127.0.0.1:1/0"
    assert set(Channel.priority_steps) >= {0, 3, 6}, "kombu's own"


@pytest.mark.parametrize("chosen", [False, True], ids=["all", "-Q"])
def test_a_lane_is_declared_as_those_who_ring_declare_it(chosen: bool) -> None:
    """RabbitMQ refuses a queue that is declared in two ways."""
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.task_queue_max_priority = 9
    app.conf.task_create_missing_queue_type = "quorum"
    install(app, Settings(redis_url="redis://127.0.0.1:1/0"))
    if chosen:
        app.amqp.queues.select(["askfirst.default", "other"])
    _consume_lanes(SimpleNamespace(app=app, askfirst_queues_chosen=chosen))
    assert app.amqp.queues.consume_from["askfirst.default"].queue_arguments is None
    assert not chosen or app.amqp.queues.consume_from["other"].queue_arguments["x-max-priority"] == 9
