"""Another module of works, for workers that know this one only."""

from askfirst import work


@work(timeout=30)
def greet(name: str) -> str:
    return f"hello {name}"
