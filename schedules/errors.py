"""What can be wrong with a schedule or a calendar.

    WorkError
    ├── InvalidSchedule (ValueError)    a definition is wrong; the text names each field
    ├── UnknownSchedule (LookupError)   there is no schedule of that id
    └── HorizonExceeded (LookupError)   a calendar doesn't know the day yet
"""

from __future__ import annotations

from datetime import date

from pydantic import ValidationError

from ..interest.errors import WorkError


class InvalidSchedule(WorkError, ValueError):
    """The definition of a schedule, a trigger or a calendar is wrong; the text names each field.

    `problem` is the text without the name of the definition.
    """

    def __init__(self, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem or message


class UnknownSchedule(WorkError, LookupError):
    """No schedule of that id is known."""


class HorizonExceeded(WorkError, LookupError):
    """Calendar `calendar` knows the days from `first` to `last` and was asked for `day`.

    Nothing may fire on a day that could turn out to be a holiday, and none may be passed over: whoever gets this stops
    there and says so.
    """

    def __init__(self, calendar: str, day: date, first: date, last: date) -> None:
        super().__init__(f"calendar {calendar!r} knows {first} to {last}, not {day}: extend it")
        self.calendar = calendar
        self.day = day
        self.first = first
        self.last = last

    def __reduce__(self) -> tuple[type[HorizonExceeded], tuple[str, date, date, date]]:
        return type(self), (self.calendar, self.day, self.first, self.last)


def refusal(title: str, error: ValidationError) -> InvalidSchedule:
    """A validation error in one line that names each field."""
    problems = []
    errors = error.errors(include_url=False)
    for found in errors:
        if any(other["loc"][: len(found["loc"])] == found["loc"] != other["loc"] for other in errors):
            continue  # of the whole, because of one of its parts: one error is enough
        where = ".".join(str(part) for part in found["loc"])
        cause = found.get("ctx", {}).get("error")
        if found["type"] == "missing":
            what = "is missing"
        elif found["type"] == "extra_forbidden":
            what = "is no field"
        elif isinstance(cause, ValueError):
            what = cause.problem if isinstance(cause, InvalidSchedule) else str(cause)
        else:
            what = f"{found['msg']}, got {_short(found['input'])}"
        problems.append(f"{where}: {what}" if where else what)
    problem = "; ".join(problems)
    return InvalidSchedule(f"{title}: {problem}", problem)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
