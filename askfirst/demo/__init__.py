"""The demonstration that `askfirst demo` runs."""

from .main import run_demo

__all__ = ["run_demo"]
