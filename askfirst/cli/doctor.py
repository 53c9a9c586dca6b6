"""`askfirst doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import dataclasses
from typing import Final

import click

from .checks import Finding, Health, examine
from .exits import Exit
from .given import Given, json_option, pass_given
from .printing import as_json, printable

_COLOURS: Final = {Health.OK: "green", Health.INFO: "blue", Health.WARN: "yellow", Health.FAIL: "red"}


@click.command()
@json_option
@pass_given
def doctor(given: Given, as_json_: bool) -> int:
    """Say what is wrong, and what to do.

    Looks at settings, Redis, broker, workers, lanes and schedules, and changes nothing. The exit code is 1 if a check
    failed; warnings don't count.
    """
    findings = []
    for finding in examine(given):
        findings.append(finding)
        if not as_json_:
            _show(finding)
    if as_json_:
        click.echo(as_json([dataclasses.asdict(finding) for finding in findings]))
    return Exit.FAILED if any(finding.health is Health.FAIL for finding in findings) else Exit.OK


def _show(finding: Finding) -> None:
    mark = click.style(finding.health.value.ljust(4), fg=_COLOURS[finding.health])
    click.echo(f"{mark}  {finding.subject.ljust(14)}  {printable(finding.text)}")
    if finding.advice:
        click.echo(f"{' ' * 22}→ {finding.advice}")
