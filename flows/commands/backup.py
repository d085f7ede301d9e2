"""`keel backup` and `keel restore`: a warehouse to one archive and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.common import Config, Debug, Json, Warehouse, explained, say

if TYPE_CHECKING:
    from flows.backup import Archived

Archive = Annotated[Path, typer.Argument(help="The archive, for example keel-2026-03-01.tar.gz")]


def backup(
    archive: Archive,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the warehouse, its raw deliveries and the pseudonyms' key to one archive."""
    with explained(debug):
        from flows.backup import backup as write
        from flows.settings import load_settings

        settings = load_settings(config, {"warehouse": warehouse})
        _tell(write(settings.warehouse, archive), "kept in {0.archive}", as_json=as_json)


def restore(
    archive: Archive,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a warehouse of an archive, in a folder that is empty or not there."""
    with explained(debug):
        from flows.backup import restore as make
        from flows.settings import load_settings

        settings = load_settings(config, {"warehouse": warehouse})
        _tell(make(archive, settings.warehouse), "restored to {0.warehouse}", as_json=as_json)


def _tell(done: Archived, words: str, *, as_json: bool) -> None:
    for note in done.notes:
        say(note)
    if as_json:
        typer.echo(json.dumps(done.as_dict(), indent=2))
        return
    typer.echo(
        f"{done.deliveries:,} deliveries, {done.bytes / 1e6:,.1f} MB, are {words.format(done)}"
    )
