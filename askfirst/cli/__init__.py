"""The command line.

Its modules import at their top only what is cheap, click and plain enums: `askfirst --help` and tab completion must
not wait for Redis, pydantic or Celery to be imported. Each command imports what it needs when it runs.
"""

from .root import main

__all__ = ["main"]
