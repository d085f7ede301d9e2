"""`keel purge`: rows of patients nobody has seen for longer than the network keeps them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.common import (
    AsOf,
    Config,
    Debug,
    Json,
    Publish,
    Warehouse,
    existing_warehouse,
    explained,
    instant,
    say,
)

if TYPE_CHECKING:
    from flows.purge import Purge
    from flows.settings import Settings


def purge(
    config: Config = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_of: AsOf = None,
    retention_days: Annotated[
        int | None, typer.Option(min=1, help="Keep patients last active within so many days")
    ] = None,
    legal_hold_file: Annotated[
        Path | None, typer.Option(help="CSV (clinic_id, patient_id) of patients who are kept")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Do it; without this, only say what would go")
    ] = False,
    readmit: Annotated[
        str | None,
        typer.Option(help="CLINIC/PATIENT_ID of a purged patient who has come back: let rows in"),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Take out the rows of patients who were last active longer ago than `retention_days`."""
    moment = instant(as_of)
    with explained(debug):
        from flows.settings import load_settings

        overrides = {
            "warehouse": warehouse, "publish": publish, "as_of": moment,
            "retention_days": retention_days, "legal_hold_file": legal_hold_file,
        }  # fmt: skip
        if readmit is not None:
            from flows.purge import readmit as let_in

            with existing_warehouse(config, warehouse) as (opened, _):
                let_in(opened, readmit)
            words = "let in again from the next delivery on; have the clinic deliver them anew."
            typer.echo(json.dumps({"readmitted": True}) if as_json else words)
            return
        found, applied = _purged(load_settings(config, overrides), apply=apply)
        if as_json:
            typer.echo(json.dumps({"applied": applied, **asdict(found)}, indent=2))
        elif applied:
            typer.echo(f"took out {found.words()}")
        else:
            typer.echo(f"would take out {found.words()}; nothing was changed")


def _purged(settings: Settings, *, apply: bool) -> tuple[Purge, bool]:
    """What goes, and whether it went."""
    from flows.purge import is_pending, look
    from flows.warehouse import read_warehouse

    with read_warehouse(settings.warehouse) as opened:
        found, pending = look(opened, settings), is_pending(opened)
    if apply and (found.patients or pending):
        return _apply(settings), True
    if pending:
        say("an earlier purge was cut short; --apply finishes it.")
    return found, False


def _apply(settings: Settings) -> Purge:
    from flows.night import open_night
    from flows.progress import for_this_terminal
    from flows.purge import purge as take_out

    progress = for_this_terminal()
    try:
        with open_night(settings, progress=progress, full=True) as night:
            return take_out(night)
    finally:
        progress.close()
