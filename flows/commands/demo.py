"""`keel demo`: a sample network, and the nightly on it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from flows import __version__
from flows.commands.common import Debug, Json, Plain, explained, say, stop
from flows.commands.nightly import earned, run_night, show


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo goes")] = Path("demo"),
    clinics: Annotated[int, typer.Option(min=1, help="Clinics in the network")] = 6,
    patients: Annotated[int, typer.Option(min=1, help="Patients in the network")] = 240,
    days: Annotated[int, typer.Option(min=15, help="Days of history")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed writes the same network")] = 1,
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet")] = "csv",
    clean: Annotated[bool, typer.Option("--clean", help="Plant no breach and no bad row")] = False,
    truth: Annotated[bool, typer.Option("--truth", help="Also write truth.csv")] = False,
    plain: Plain = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a sample network's exports, run the nightly on them, say where the report is."""
    say(f"keel {__version__}: demo starts")
    if file_format not in ("csv", "parquet"):
        stop(f"--format: {file_format} is not a format of the demo; use csv or parquet.", 2)
    with explained(debug):
        from flows.demo import write_network
        from flows.settings import load_settings

        _refuse_foreign_folder(folder)
        say(f"writing a sample network of {clinics} clinics to {folder / 'landing'}")
        written = write_network(
            folder,
            clinics=clinics,
            patients=patients,
            days=days,
            seed=seed,
            file_format=file_format,
            clean=clean,
            truth=truth,
        )
        settings = load_settings(
            None,
            {
                "landing": folder / "landing",
                "warehouse": folder / "warehouse",
                "publish": folder / "published",
                "as_of": written.as_of,
            },
        )
        summary = run_night(settings, [], [], plain=plain)
        show(summary, as_json=as_json)
        where = {"landing": "landing", "warehouse": "warehouse", "publish": "published"}
        options = [word for name, at in where.items() for word in (f"--{name}", str(folder / at))]
        say(f"its next night: {shlex.join(['keel', 'nightly', *options])}")
    raise typer.Exit(earned(summary))


def _refuse_foreign_folder(folder: Path) -> None:
    """The demo rewrites its own landing folder, and nobody else's."""
    from flows.demo import is_demo_folder
    from flows.errors import UsageError

    if folder.exists() and any(folder.iterdir()) and not is_demo_folder(folder):
        raise UsageError(
            f"{folder}: is neither empty nor a demo of Keel; name another folder with --dir."
        )
