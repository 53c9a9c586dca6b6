"""A work's way as a live line on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Final

from .printing import STATE_STYLES, console, duration, printable

if TYPE_CHECKING:
    from askfirst.interest.records import Progress, WorkStatus

POLL: Final = 0.25  # seconds between two looks at a work


class LiveLine:
    """Shows the latest status on stderr if that is a terminal, and is silent if it is not."""

    def __init__(self, name: str) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        out = console(stderr=True)
        self.visible = out.is_terminal
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TextColumn("{task.fields[state]}", markup=False, style="bold"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[done]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False, style="dim"),
            console=out,
            transient=True,
            disable=not self.visible,
        )
        self._task = self._bars.add_task(printable(name), total=None, state="", done="", left="")

    def __enter__(self) -> LiveLine:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, status: WorkStatus, left: float) -> None:
        """Shows this status; `left` in seconds until the deadline."""
        progress = status.progress
        self._bars.update(
            self._task,
            total=progress.total if progress else None,
            completed=progress.done if progress else 0,
            state=state_text(status),
            done=progress_text(progress) if progress else "",
            left=f"{duration(left)} left" if left > 0 else "deadline passed",
        )


def progress_text(progress: Progress) -> str:
    """How far a work is, in words."""
    text = f"{progress.done:,.15g}"
    if progress.total is not None:
        text += f"/{progress.total:,.15g}"
        if progress.total > 0:
            text += f" ({min(progress.done / progress.total, 1):.0%})"
    return f"{text} {printable(' '.join(progress.note.split()))}" if progress.note else text


def state_text(status: WorkStatus) -> str:
    """State and, if there is one, reason."""
    return f"{status.state.value} ({status.reason})" if status.reason else status.state.value


def state_style(status: WorkStatus) -> str:
    """The colour of its state."""
    return STATE_STYLES[status.state.value]
