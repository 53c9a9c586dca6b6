"""What asking costs: plain Celery and askfirst doing the same, side by side."""
