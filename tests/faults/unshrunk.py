"""A pytest plugin: a counterexample will do as it is found. Nobody reads those of mutants."""

from hypothesis import Phase, settings


def pytest_configure() -> None:
    settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
    settings.load_profile("unshrunk")
