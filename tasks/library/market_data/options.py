"""What a pull is asked to do and what it answers: validated options, the report, the context it runs in."""

from contextlib import AbstractContextManager
from datetime import date, datetime
from typing import Annotated, Protocol
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # the last for a name such as that of a folder
        raise ValueError(f"expected an IANA time zone such as Asia/Tokyo, got {name!r}") from None
    return name


Name = Annotated[str, Field(min_length=1)]
Exchange = Annotated[str, Field(pattern=r"^[A-Z0-9]{4}$", description="market identifier code (ISO 10383)")]
# Without the day in it, every day would get the same answer. Credentials would be seen by everybody.
Source = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+/[^\s#]*\{day\}[^\s#]*$", max_length=2_000)]
Zone = Annotated[Name, AfterValidator(_zone)]


class Limit(Protocol):
    """The time of one operation."""

    def remaining(self) -> float:
        """Seconds until the operation's or the work's time is over."""


class PullContext(Protocol):
    """What a pull needs of its WorkContext."""

    nominal_time: datetime | None

    def check(self) -> None:
        """Raise when nobody wants the pull any more."""

    def remaining(self) -> float:
        """Seconds until the deadline."""

    def limit(self, seconds: float, /) -> AbstractContextManager[Limit]:
        """Give one operation a time of its own."""


class PullReport(BaseModel):
    """What a pull did."""

    exchange: str
    day: date
    source: str = Field(description="the address that was asked")
    database: str = Field(description="the URL, without password and query")
    table: str
    rows: int = Field(description="rows the table has of this exchange and day")
    replaced: int = Field(description="rows of an earlier pull that they took the place of")
    bytes: int = Field(description="size of the answer")
    seconds: float
