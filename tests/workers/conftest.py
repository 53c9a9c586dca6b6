"""What the tests of workers share: the eyes of Flower."""

from collections.abc import Iterator

import pytest
from celery import Celery

from askfirst.workers import create_app
from tests.support.fleet import Fleet


@pytest.fixture
def app(fleet: Fleet) -> Iterator[Celery]:
    """A Celery app of this process on the fleet's broker, as Flower or an operator has one."""
    app = create_app(fleet.settings)
    yield app
    app.close()
