"""The Celery app that Flower looks at: `celery -A askfirst.cli.flower flower`."""

from askfirst import create_app

from .onlooking import Onlooker

app = create_app()
app.control_cls = Onlooker
