"""`keel backfill`: judges a date range anew."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.commands.common import (
    AsOf,
    Config,
    Debug,
    Exit,
    Json,
    Publish,
    Warehouse,
    explained,
    instant,
    period,
)
from flows.commands.nightly import show


def backfill(
    first: Annotated[str, typer.Option("--from", help="First local date")],
    last: Annotated[str, typer.Option("--to", help="Last local date, included")],
    clinic: Annotated[str | None, typer.Option(help="Only this clinic's rows")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be judged; write nothing")
    ] = False,
    config: Config = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_of: AsOf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge the rows of a date range anew from what is loaded, and publish a run."""
    with explained(debug):
        from flows.backfill import backfill as run_backfill
        from flows.backfill import rehearse_backfill
        from flows.days import Days
        from flows.progress import for_this_terminal
        from flows.settings import load_settings

        begins, ends = period(first, last)
        assert begins is not None and ends is not None
        days = Days(begins, ends, clinic)
        overrides = {"warehouse": warehouse, "publish": publish, "as_of": instant(as_of)}
        settings = load_settings(config, overrides)
        if dry_run:
            found = rehearse_backfill(settings, days)
            typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else found.words())
            raise typer.Exit(Exit.DONE)
        progress = for_this_terminal()
        try:
            summary = run_backfill(settings, days, progress)
        finally:
            progress.close()
        show(summary, as_json=as_json)
    raise typer.Exit(Exit.DONE)
