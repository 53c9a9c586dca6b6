"""What becomes of instants that are due: pure, so that it can be tried in full.

An instant is on time until `ON_TIME` seconds, and the schedule's jitter, after it. Later it has been missed, and the
misfire policy decides. One outage may take many steps to decide; what must be known from step to step is the `carry`:
`fired N` so far, or `held MS`, the latest missed instant that is fired if no later one comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .definition import Schedule
from .entries import as_ms
from .planning import Planned
from .store import Fate

ON_TIME: Final = 5.0  # seconds; a scheduler that is killed is replaced, or another one acts, in less


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of the instants, and what the next step must know."""

    fates: list[Fate]
    carry: str


def judge(
    schedule: Schedule, due: Sequence[Planned], now: int, *, carry: str, paused_until: int, complete: bool
) -> Judged:
    """The fates of instants that are due at `now` (ms), in their order. `complete` if no more of them are due."""
    policy = _Policy(schedule, now, *_read(carry))
    fates = _Rows()
    policy.pause(paused_until, fates)
    for planned in due:
        nominal = as_ms(planned.instant)
        if planned.skipped:
            fates.add(nominal, "skipped", planned.skipped)
        elif nominal <= paused_until:
            fates.add(nominal, "skipped", "paused")
        elif policy.on_time(nominal):
            policy.finish(fates)  # all that follow are on time
            fates.add(nominal, "fire")
        else:
            policy.miss(nominal, fates)
    if complete:
        policy.finish(fates)
        return Judged(fates.found, "")
    return Judged(fates.found, policy.carry)


class _Rows:
    """Fates, those of a kind that follow one another as one."""

    def __init__(self) -> None:
        self.found: list[Fate] = []

    def add(self, nominal: int, fate: str, why: str = "") -> None:
        last = self.found[-1] if self.found else None
        if fate != "fire" and last is not None and (last.fate, last.why) == (fate, why):
            self.found[-1] = last._replace(last=nominal, number=last.number + 1)
        else:
            self.found.append(Fate(nominal, fate, why, nominal))


class _Policy:
    def __init__(self, schedule: Schedule, now: int, held: int, fired: int) -> None:
        self._schedule = schedule
        self._now = now
        self._held = held
        self._fired = fired

    def on_time(self, nominal: int) -> bool:
        return self._now - nominal <= (ON_TIME + self._schedule.jitter) * 1000

    def miss(self, nominal: int, fates: _Rows) -> None:
        if self._now - nominal > self._schedule.catch_up_window * 1000:
            fates.add(nominal, "missed", "too late to catch up")
            return
        getattr(self, f"_{self._schedule.misfire}")(nominal, fates)

    def pause(self, until: int, fates: _Rows) -> None:
        """What a pause found held is one of its instants."""
        if 0 < self._held <= until:
            fates.add(self._held, "skipped", "paused")
            self._held = 0

    def finish(self, fates: _Rows) -> None:
        """None that is missed follows."""
        if self._held:
            fates.add(self._held, "fire")
            self._held = 0

    @property
    def carry(self) -> str:
        if self._held:
            return f"held {self._held}"
        return f"fired {self._fired}" if self._fired else ""

    def _skip(self, nominal: int, fates: _Rows) -> None:
        fates.add(nominal, "missed", "nobody was there")

    def _latest(self, nominal: int, fates: _Rows) -> None:
        if self._held:
            fates.add(self._held, "missed", "a later one is fired")
        self._held = nominal

    def _earliest(self, nominal: int, fates: _Rows) -> None:
        self._up_to(1, nominal, "an earlier one is fired", fates)

    def _all(self, nominal: int, fates: _Rows) -> None:
        self._up_to(self._schedule.catch_up_cap, nominal, "enough are caught up on", fates)

    def _up_to(self, most: int, nominal: int, why: str, fates: _Rows) -> None:
        if self._fired >= most:
            fates.add(nominal, "missed", why)
        else:
            self._fired += 1
            fates.add(nominal, "fire")


def _read(carry: str) -> tuple[int, int]:
    """The instant held (ms, 0 if none), and how many of the outage are fired."""
    kind, _, number = carry.partition(" ")
    return (int(number) if kind == "held" else 0), (int(number) if kind == "fired" else 0)
