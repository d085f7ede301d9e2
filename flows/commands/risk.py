"""`keel risk`: what is flagged, and what other thresholds would flag."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Json, Warehouse, explained


def risk(
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="SIGNAL=NUMBER, flagged from it on (repeat for more)"),
    ] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """How many subjects each risk signal flags, and how many it would with other thresholds; from
    what the last night observed, judging nothing anew."""
    with explained(debug):
        from flows.settings import load_settings
        from flows.warehouse import read_warehouse
        from flows.what_if import thresholds, what_if

        asked = thresholds(threshold or [])
        settings = load_settings(config, {"warehouse": warehouse})
        with read_warehouse(settings.warehouse) as opened:
            found = what_if(opened, asked)
        if as_json:
            typer.echo(json.dumps(found.as_dict(), indent=2))
        for line in () if as_json else found.lines():
            typer.echo(line)
