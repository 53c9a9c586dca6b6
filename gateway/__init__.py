"""HTTP callers are callers too: requests become waiters, and hanging up is loss of interest."""

from .app import gateway_app
from .routes import router

__all__ = ["gateway_app", "router"]
