"""What becomes of a fleet that is asked for more than it can do: askfirst, Celery and other queues, side by side."""
