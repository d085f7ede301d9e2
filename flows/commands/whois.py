"""`keel whois`: the patient id behind a published pseudonym."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Warehouse, existing_warehouse, explained


def whois(
    pseudonym: Annotated[str, typer.Argument(help="As a published run has it, P and 20 digits")],
    config: Config = None,
    warehouse: Warehouse = None,
    debug: Debug = False,
) -> None:
    """The patient id behind a published pseudonym; every use is in the audit log."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.pseudonyms import patient_behind

        clinic_id, patient_id = patient_behind(opened, pseudonym)
        typer.echo(f"patient {patient_id} at {clinic_id}")
