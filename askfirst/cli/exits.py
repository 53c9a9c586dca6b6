"""How commands end: one clear line on stderr, and an exit code that means something."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NoReturn

import click

from .printing import printable


class Exit(IntEnum):
    """The exit codes, all of them."""

    OK = 0
    FAILED = 1
    USAGE = 2
    LEDGER = 3
    UNKNOWN = 4
    TIMEOUT = 5
    REFUSED = 6
    BUG = 70
    INTERRUPTED = 130


#: What each code means, as `askfirst --help` shows it.
MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "the work failed, was cancelled or lost; doctor: a check failed; up: a process ended; "
    "schedule mirror: no SQL",
    Exit.USAGE: "wrong usage, settings, schedule or payload",
    Exit.LEDGER: "the ledger is unavailable",
    Exit.UNKNOWN: "unknown work type, schedule, id or key",
    Exit.TIMEOUT: "the deadline passed",
    Exit.REFUSED: "rejected, or a duplicate",
    Exit.BUG: "an error of askfirst itself; --debug shows where",
    Exit.INTERRUPTED: "interrupted (Ctrl-C); what runs until it is stopped, as worker, ends with 0, if all went well",
}

#: By the name of the class: importing the classes would import the rooms. The nearest base in an error's MRO counts.
_CODES = {
    "WorkFailed": Exit.FAILED,
    "WorkCancelled": Exit.FAILED,
    "MirrorError": Exit.FAILED,
    "InvalidPayload": Exit.USAGE,
    "InvalidWork": Exit.USAGE,
    "SettingsError": Exit.USAGE,
    "LedgerUnavailable": Exit.LEDGER,
    "InvalidSchedule": Exit.USAGE,
    "HorizonExceeded": Exit.USAGE,
    "UnknownWork": Exit.UNKNOWN,
    "UnknownSchedule": Exit.UNKNOWN,
    "WorkTimeout": Exit.TIMEOUT,
    "WorkRejected": Exit.REFUSED,
    "DuplicateWork": Exit.REFUSED,
}


class CommandError(click.ClickException):
    """Ends a command with this message and this exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class CommandLine(click.Group):
    """A group that ends in the same way whatever went wrong inside."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command that the arguments name, and exits; without `standalone_mode`, returns or raises."""
        prog_name = prog_name or "askfirst"  # also for `python -m askfirst`: completion goes by the name
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(Exit.USAGE)
        except (click.Abort, KeyboardInterrupt):
            _forget_the_interrupt()
            sys.exit(Exit.INTERRUPTED)
        except Exception as error:
            _complain(error)
        # A second Ctrl-C while the process winds up must not print a traceback.
        sys.exit(code if isinstance(code, int) else Exit.OK)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added, which tells more than the alphabet."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; with --debug, shows where an error came from."""
        with _debugging(ctx):
            return super().invoke(ctx)


def exit_code(error: BaseException) -> Exit:
    """The exit code that stands for an error."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, click.ClickException):
        return Exit.USAGE
    known = (_CODES[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _CODES)
    return next(known, Exit.BUG)


def describe(error: BaseException) -> str:
    """The error in one line."""
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip()) or type(error).__name__
    if any(kind.__name__ == "WorkFailed" for kind in type(error).__mro__):
        line = f"the work failed: {line}"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        line = line.removesuffix(".") + f" (see {error.ctx.command_path} --help)"
    if exit_code(error) is Exit.BUG:
        line = f"unexpected {type(error).__name__}: {line} (--debug shows where)"
    return printable(line)


def epilog() -> str:
    """The table of exit codes for the help."""
    rows = "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"\b\nExit codes:\n{rows}"


def _forget_the_interrupt() -> None:
    """After Ctrl-C in an `exec` of a text, as in many imports, `python -m` ends by SIGINT whatever the exit code.

    CPython keeps a note of it until the next text is executed.
    """
    exec("")


def _complain(error: Exception) -> NoReturn:
    click.echo(f"askfirst: error: {describe(error)}", err=True)
    sys.exit(exit_code(error))


@contextlib.contextmanager
def _debugging(ctx: click.Context) -> Iterator[None]:
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        if ctx.params.get("debug"):
            traceback.print_exc()
            remote = getattr(error, "traceback", "")
            if remote:
                click.echo(f"In the worker:\n{printable(remote)}", err=True)
        raise
