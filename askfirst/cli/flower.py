"""The Celery app that Flower looks at: `celery -A askfirst.cli.flower flower`."""

from askfirst import create_app

app = create_app()
