"""`keel batch`: the deliveries and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.commands.common import (
    SHOWN_ROWS,
    Config,
    Debug,
    Exit,
    Json,
    Landing,
    Warehouse,
    existing_warehouse,
    explained,
)

if TYPE_CHECKING:
    from flows.batches import Outcome

batch = typer.Typer(no_args_is_help=True, help="The deliveries and what became of them.")
BatchId = Annotated[str, typer.Argument(help="The batch, as `keel batch list` names it")]

_NEXT = {
    "accepted": "nothing",
    "partial": "mend the rows and deliver them again: a later file that has them right releases "
    "them",
    "blocked": "mend that and deliver it again; `keel batch retry {batch_id}` tries it as it is, "
    "once the contract, the settings or the clinics would accept it",
    "duplicate": "nothing; it is not loaded twice",
    "withdrawn": "nothing; `keel batch retry {batch_id}` brings it back",
    "landed": "the next nightly loads it",
}


@batch.command("list")
def batch_list(
    state: Annotated[
        str | None, typer.Option(help="accepted, partial, blocked, duplicate, withdrawn or landed")
    ] = None,
    feed: Annotated[str | None, typer.Option(help="Only this feed's")] = None,
    clinic: Annotated[str | None, typer.Option(help="Only those of this clinic's folder")] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Every delivery, newest first."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.batches import list_batches

        found = list_batches(opened, state, feed, clinic)
        if as_json:
            _say_json(found)
            return
        width = max((len(row["path"]) for row in found), default=0)
        for row in found:
            typer.echo(
                f"{row['batch_id']}  {row['state']:<9}  {row['path']:<{width}}  {_what(row)}"
            )
        if not found:
            typer.echo("no such delivery")


@batch.command("show")
def batch_show(
    batch_id: BatchId,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """One delivery, with the rows that are in quarantine and why."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, _):
        from flows.batches import find_batch, open_faults, quarantined_rows
        from flows.faults import counted

        row = find_batch(opened, batch_id)
        rows = quarantined_rows(opened, row)
        if as_json:
            _say_json({**row, "quarantine": rows})
            return
        released = sum(item["released_run"] is not None for item in rows)
        extracted = f", extracted {_minute(row['extract_at'])}" if row["extract_at"] else ""
        lines = [
            f"{row['batch_id']}: {row['path']} ({row['feed']}), first seen "
            f"{_minute(row['first_seen_at'])}{extracted}",
            f"  {row['state']}: {_what(row)}",
            *(f"  {fault.sentence()}" for fault in open_faults(opened, row, SHOWN_ROWS)),
        ]
        if released:
            lines.append(f"  {counted(released, 'row')} released by a later delivery")
        if row["unknown_columns"]:
            lines.append(f"  columns that no contract knows: {', '.join(row['unknown_columns'])}")
        typer.echo("\n".join([*lines, f"  next: {_NEXT[row['state']].format(**row)}"]))


@batch.command("retry")
def batch_retry(
    batch_id: BatchId,
    config: Config = None,
    warehouse: Warehouse = None,
    landing: Landing = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Try a blocked delivery, or its quarantined rows, again, or bring a withdrawn one back."""
    options = {"landing": landing}
    with explained(debug), existing_warehouse(config, warehouse, options) as (opened, settings):
        from flows.batches import retry_batch

        outcome = retry_batch(opened, batch_id, settings)
        _say_outcome(outcome, as_json=as_json)
    raise typer.Exit(_earned(outcome))


@batch.command("withdraw")
def batch_withdraw(
    batch_id: BatchId,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Take a delivery back, as if it had never come."""
    with explained(debug), existing_warehouse(config, warehouse) as (opened, settings):
        from flows.batches import withdraw_batch

        outcome = withdraw_batch(opened, batch_id, settings)
        more = [
            "it stays withdrawn although the file still lies in the landing folder; "
            f"`keel batch retry {batch_id}` brings it back",
            *(
                f"{path} has the same bytes: the next nightly loads it, unless it is removed or "
                "then withdrawn as well"
                for path in outcome.copies
            ),
        ]
        _say_outcome(outcome, more, as_json=as_json)
    raise typer.Exit(_earned(outcome))


def _say_outcome(outcome: Outcome, more: Sequence[str] = (), *, as_json: bool) -> None:
    if as_json:
        _say_json({"batch": outcome.batch, "others": outcome.others, "copies": outcome.copies})
        return
    for row in (outcome.batch, *outcome.others):
        typer.echo(f"{row['batch_id']}: {row['path']}\n  {row['state']}: {_what(row)}")
    for line in ("verdicts and report follow with the next nightly", *more):
        typer.echo(f"  {line}")


def _earned(outcome: Outcome) -> Exit:
    """Whether the delivery, or another through it, is blocked now."""
    states = [row["state"] for row in (outcome.batch, *outcome.others)]
    return Exit.BLOCKED if "blocked" in states else Exit.DONE


def _what(row: Mapping[str, Any]) -> str:
    """What became of its rows, in words."""
    from flows.faults import counted

    if row["state"] in ("blocked", "duplicate", "withdrawn"):
        return str(row["reason"])
    if row["state"] == "landed":
        return f"{counted(row['rows'], 'row')}, not loaded yet"
    unchanged = f", {row['unchanged']:,} unchanged" if row["unchanged"] else ""
    bad = f", {row['quarantined']:,} quarantined" if row["quarantined"] else ""
    return f"{counted(row['rows'], 'row')}: {row['loaded']:,} loaded{unchanged}{bad}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _say_json(told: object) -> None:
    def shown(value: object) -> str:
        return value.isoformat() if isinstance(value, date) else str(value)

    typer.echo(json.dumps(told, indent=2, default=shown))
