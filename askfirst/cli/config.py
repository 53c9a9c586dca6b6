"""`askfirst config`: the settings in effect."""

from __future__ import annotations

import click

from .given import Given, json_option, pass_given
from .printing import as_json, console, printable, table


@click.command()
@json_option
@pass_given
def config(given: Given, as_json_: bool) -> None:
    """Show every setting and where it comes from."""
    from askfirst.config import explain_settings

    given.choose_file()
    explained = explain_settings(**given.arguments)
    if as_json_:
        click.echo(as_json(explained))
        return
    rows = table("setting", "value", "from", "what it is")
    for setting in explained:
        rows.add_row(setting.name, printable(_shown(setting.value)), printable(setting.source), setting.doc)
    console().print(rows)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
