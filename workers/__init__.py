"""The fleet's side: a Celery app whose workers ask before they start."""

from .app import create_app, install

__all__ = ["create_app", "install"]
