"""`keel history`: how each verdict on a subject changed, when and why."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Json, Warehouse, existing_warehouse, explained


def history(
    subject_id: Annotated[str, typer.Argument(help="A session, dispense or outcome")],
    clinic: Annotated[
        str | None, typer.Option(help="Whose, where several clinics have the same id")
    ] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """How each verdict on a session, dispense or outcome changed, when and why."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from dataclasses import asdict

        from flows.history import subject_history

        found = subject_history(opened, subject_id, clinic)
        if as_json:
            typer.echo(json.dumps([asdict(subject) for subject in found], indent=2, default=str))
        for subject in () if as_json else found:
            for line in subject.lines():
                typer.echo(line)
