"""Of tests that take seconds, one pool runs by default, the other with `make slow`: the suite is one, for both."""

import pytest

_SLOW = pytest.mark.slow

prefork_only = pytest.mark.parametrize("pool", ["prefork"], indirect=True)
threads_only = pytest.mark.parametrize("pool", ["threads"], indirect=True)
prefork_first = pytest.mark.parametrize("pool", ["prefork", pytest.param("threads", marks=_SLOW)], indirect=True)
threads_first = pytest.mark.parametrize("pool", [pytest.param("prefork", marks=_SLOW), "threads"], indirect=True)
