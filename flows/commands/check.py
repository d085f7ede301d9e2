"""`keel check`: for the person who exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Exit, Json, Landing, explained


def check(
    paths: Annotated[list[Path], typer.Argument(help="Export files, or folders of them")],
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone of clinics that no clinics file names [default: UTC]"),
    ] = None,
    config: Config = None,
    landing: Landing = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge export files without loading them: what is wrong, in which rows, what to do."""
    with explained(debug):
        from dataclasses import asdict

        from flows.checking import check_files, would_be_blocked
        from flows.settings import load_settings

        settings = load_settings(config, {"landing": landing})
        checked, notes = check_files(paths, settings, time_zone)
        if as_json:
            told = {"files": [asdict(item) for item in checked], "notes": list(notes)}
            typer.echo(json.dumps(told, indent=2))
        else:
            for line in (*(item.words() for item in checked), *notes):
                typer.echo(line)
        code = Exit.BLOCKED if would_be_blocked(checked, settings) else Exit.DONE
    raise typer.Exit(code)
