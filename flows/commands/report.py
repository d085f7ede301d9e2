"""`keel report`: a report again, from a published run."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Json, Publish, explained, stop

_DAY = ["%Y-%m-%d"]


def report(
    config: Config = None,
    publish: Publish = None,
    clinic: Annotated[
        list[str] | None, typer.Option("--clinic", help="Only this clinic (repeat for more)")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="From this local day on")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=_DAY, help="Up to this local day, included")
    ] = None,
    external: Annotated[
        bool, typer.Option("--external", help="For readers outside: no small counts, no ids")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for it [default: in the run; keel-report if narrowed]"),
    ] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the report again from the current published run, of all of it or of a part."""
    with explained(debug):
        from flows.narrowed import Scope
        from flows.report_again import write_again, write_for_outsiders
        from flows.settings import load_settings

        settings = load_settings(config, {"publish": publish})
        scope = Scope(
            tuple(clinic or ()), since.date() if since else None, until.date() if until else None
        )
        if scope.since and scope.until and scope.since > scope.until:
            stop("--from: is later than --to; give the earlier day first.", 2)
        if external and scope.narrow:
            stop(
                "--external: goes with no --clinic, --from or --to, since the difference of two "
                "such reports would tell the small counts that each hides; leave those out.", 2,
            )  # fmt: skip
        written = (
            write_for_outsiders(settings, out) if external else write_again(settings, scope, out)
        )
        typer.echo(json.dumps({"report": str(written)}) if as_json else f"report: {written}")
