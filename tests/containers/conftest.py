"""One deployment for all tests of this folder that need one."""

import os
import signal
from collections.abc import Iterator

import pytest

from .deployment import Deployment
from .engine import NoEngine, find_engine


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The fleet of docker-compose.yml, healthy. Skips where no engine can be had, and says why.

    The image askfirst:test stays behind: the engine builds the next one from its layers.
    """
    if "CONTAINERS" not in os.environ:
        pytest.skip("real containers take minutes: `make containers` runs them")
    try:
        engine = find_engine()
    except NoEngine as reason:
        pytest.skip(str(reason))
    deployment = Deployment(engine, tmp_path_factory.mktemp("deployment"))
    # Containers outlive whoever started them: a pytest that is told to end takes them down first.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()
        signal.signal(signal.SIGTERM, before)
