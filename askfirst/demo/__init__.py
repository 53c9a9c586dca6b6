"""The demonstration that `askfirst demo` runs."""
