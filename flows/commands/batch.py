"""`keel batch`: the deliveries and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from flows.commands.common import Config, Debug, Json, Warehouse, existing_warehouse, explained

batch = typer.Typer(no_args_is_help=True, help="The deliveries and what became of them.")
BatchId = Annotated[str, typer.Argument(help="The batch, as `keel batch list` names it")]


@batch.command("list")
def batch_list(
    state: Annotated[
        str | None, typer.Option(help="accepted, partial, blocked, duplicate or withdrawn")
    ] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Every delivery, newest first."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.batches import list_batches

        found = list_batches(opened, state)
        if as_json:
            typer.echo(json.dumps(found, indent=2, default=str))
        for row in () if as_json else found:
            counts = f"{row['rows'] or 0:,} rows, {row['quarantined'] or 0:,} quarantined"
            reason = f": {row['reason']}" if row["reason"] else ""
            typer.echo(f"{row['batch_id']}  {row['state']:<9}  {row['path']}  {counts}{reason}")


@batch.command("show")
def batch_show(
    batch_id: BatchId, config: Config = None, warehouse: Warehouse = None, debug: Debug = False
) -> None:
    """One delivery, with the rows that are in quarantine and why."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.batches import show_batch

        typer.echo(json.dumps(show_batch(opened, batch_id), indent=2, default=str))


@batch.command("retry")
def batch_retry(
    batch_id: BatchId, config: Config = None, warehouse: Warehouse = None, debug: Debug = False
) -> None:
    """Try a blocked delivery, or its quarantined rows, again; verdicts follow with the nightly."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, settings):
        from flows.batches import retry_batch

        _say_batch(retry_batch(opened, batch_id, settings))


@batch.command("withdraw")
def batch_withdraw(
    batch_id: BatchId, config: Config = None, warehouse: Warehouse = None, debug: Debug = False
) -> None:
    """Take a delivery back, as if it had never come; verdicts follow with the nightly."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, settings):
        from flows.batches import withdraw_batch

        _say_batch(withdraw_batch(opened, batch_id, settings))


def _say_batch(row: Mapping[str, Any]) -> None:
    typer.echo(
        f"{row['batch_id']} is {row['state']}: {row['loaded'] or 0:,} rows loaded, "
        f"{row['unchanged'] or 0:,} unchanged, {row['quarantined'] or 0:,} quarantined"
    )
