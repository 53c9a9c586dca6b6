"""Why a pull can fail.

MarketDataError
├── PullRefused          it can't be made as asked for: not tried again
│   ├── WrongContent     what the source gave is not the day's data
│   └── TargetError      the database refuses, or is away
└── SourceUnavailable    (ConnectionError) the source didn't answer, or asked for patience: tried again

Whatever happens, the table is as it was, or, where the connection to the database breaks in the commit itself, as it
should be. A backfill pulls a day anew that failed.
"""


class MarketDataError(Exception):
    """A pull failed, and the table is as it was."""


class PullRefused(MarketDataError):
    """The pull can't be made as asked for, and isn't tried again."""


class WrongContent(PullRefused):
    """What the source gave is not the end-of-day data of the exchange and day."""


class TargetError(PullRefused):
    """The database refuses, can't be reached, or the table isn't one of market data."""


class SourceUnavailable(MarketDataError, ConnectionError):
    """The source didn't give a whole answer, or asked for patience: `retry_after` seconds, if it said so."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after
