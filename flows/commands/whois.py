"""`keel whois`: the patient id behind a published pseudonym."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Json, Warehouse, existing_warehouse, explained


def whois(
    pseudonym: Annotated[str, typer.Argument(help="As a published run has it, P and 20 digits")],
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """The patient id behind a published pseudonym; every use is in the audit log."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.pseudonyms import patient_behind

        clinic_id, patient_id = patient_behind(opened, pseudonym)
        if as_json:
            typer.echo(json.dumps({"clinic_id": clinic_id, "patient_id": patient_id}, indent=2))
        else:
            typer.echo(f"patient {patient_id} at {clinic_id}")
