"""`keel`: arguments in, exceptions out as one sentence and an exit code."""

from __future__ import annotations

import atexit
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from flows import __version__

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.warehouse import Warehouse as OpenWarehouse

app = typer.Typer(
    name="keel",
    help="Nightly operations pipeline for ketamine and esketamine clinics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Exit(IntEnum):
    """What a scheduler reads."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    BUSY = 3
    DISK = 4
    BLOCKED = 5
    FAIL_ON = 6


SEVERITIES = ("critical", "major", "minor")

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file [default: keel.toml, if there]")
]
Landing = Annotated[Path | None, typer.Option(help="Folder of the clinics' exports")]
Warehouse = Annotated[Path | None, typer.Option(help="Folder of the warehouse")]
Publish = Annotated[Path | None, typer.Option(help="Folder of published runs")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Judge as of this instant (ISO 8601) [default: now]")
]
Json = Annotated[bool, typer.Option("--json", help="A machine-readable summary on stdout")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure")]
Plain = Annotated[bool, typer.Option("--plain", help="Run without Prefect")]
Clinics = Annotated[
    list[str] | None, typer.Option("--clinic", help="Only this clinic's files (repeat for more)")
]
Feeds = Annotated[
    list[str] | None, typer.Option("--feed", help="Only this feed's files (repeat for more)")
]
FailOn = Annotated[
    str | None,
    typer.Option("--fail-on", help="Exit 6 on a not_met finding of this severity or above"),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keel {__version__}")
        raise typer.Exit


@app.callback()
def _keel(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version")
    ] = False,
) -> None:
    """Nightly operations pipeline for ketamine and esketamine clinics."""


@app.command()
def nightly(
    config: Config = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_of: AsOf = None,
    feed: Feeds = None,
    clinic: Clinics = None,
    fail_on: FailOn = None,
    plain: Plain = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Everything new under the landing folder becomes facts, verdicts and a published report."""
    _say(f"keel {__version__}: nightly starts")
    if fail_on is not None and fail_on not in SEVERITIES:
        _stop(f"--fail-on: {fail_on} is no severity; use one of {', '.join(SEVERITIES)}.", 2)
    instant = _instant(as_of)
    with _explained(debug):
        from flows.settings import load_settings

        overrides = {
            "landing": landing,
            "warehouse": warehouse,
            "publish": publish,
            "as_of": instant,
        }
        settings = load_settings(config, overrides)
        code = _run(settings, feed or [], clinic or [], fail_on, plain=plain, as_json=as_json)
    raise typer.Exit(code)


@app.command()
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
    _say(f"keel {__version__}: demo starts")
    if file_format not in ("csv", "parquet"):
        _stop(f"--format: {file_format} is not a format of the demo; use csv or parquet.", 2)
    with _explained(debug):
        from flows.demo import write_network
        from flows.settings import load_settings

        _refuse_foreign_folder(folder)
        _say(f"writing a sample network of {clinics} clinics to {folder / 'landing'}")
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
        code = _run(settings, [], [], None, plain=plain, as_json=as_json)
    raise typer.Exit(code)


@app.command()
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
    with _explained(debug):
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


batch = typer.Typer(no_args_is_help=True, help="The deliveries and what became of them.")
app.add_typer(batch, name="batch")
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
    with _explained(debug), _warehouse(config, warehouse) as (opened, _):
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
    with _explained(debug), _warehouse(config, warehouse) as (opened, _):
        from flows.batches import show_batch

        typer.echo(json.dumps(show_batch(opened, batch_id), indent=2, default=str))


@batch.command("retry")
def batch_retry(
    batch_id: BatchId, config: Config = None, warehouse: Warehouse = None, debug: Debug = False
) -> None:
    """Try a blocked delivery, or its quarantined rows, again; verdicts follow with the nightly."""
    with _explained(debug), _warehouse(config, warehouse) as (opened, settings):
        from flows.batches import retry_batch

        _say_batch(retry_batch(opened, batch_id, settings))


@batch.command("withdraw")
def batch_withdraw(
    batch_id: BatchId, config: Config = None, warehouse: Warehouse = None, debug: Debug = False
) -> None:
    """Take a delivery back, as if it had never come; verdicts follow with the nightly."""
    with _explained(debug), _warehouse(config, warehouse) as (opened, settings):
        from flows.batches import withdraw_batch

        _say_batch(withdraw_batch(opened, batch_id, settings))


def _say_batch(row: Mapping[str, Any]) -> None:
    typer.echo(
        f"{row['batch_id']} is {row['state']}: {row['loaded'] or 0:,} rows loaded, "
        f"{row['unchanged'] or 0:,} unchanged, {row['quarantined'] or 0:,} quarantined"
    )


@contextmanager
def _warehouse(
    config: Path | None, folder: Path | None
) -> Iterator[tuple[OpenWarehouse, Settings]]:
    from flows.errors import UsageError
    from flows.settings import load_settings
    from flows.warehouse import DATABASE, open_warehouse

    settings = load_settings(config, {"warehouse": folder})
    if not (settings.warehouse / DATABASE).exists():
        raise UsageError(
            f"{settings.warehouse}: no warehouse is there; name it with --warehouse, or run "
            "`keel nightly` first."
        )
    with open_warehouse(settings.warehouse) as opened:
        yield opened, settings


def _run(
    settings: object,
    feeds: list[str],
    clinics: list[str],
    fail_on: str | None,
    *,
    plain: bool,
    as_json: bool,
) -> int:
    """Run the night, show its summary and give the exit code that it earns."""
    from flows.night import open_night
    from flows.progress import for_this_terminal
    from flows.settings import Settings

    assert isinstance(settings, Settings)
    progress = for_this_terminal()
    try:
        with open_night(settings, feeds=feeds, clinics=clinics, progress=progress) as night:
            if plain:
                from flows.nightly import plainly, tell

                summary = tell(night, plainly)
            else:
                from flows.nightly import run_as_flow

                summary = run_as_flow(night)
    finally:
        progress.close()
    if as_json:
        typer.echo(json.dumps(summary.as_dict(), indent=2))
    else:
        typer.echo(summary.words())
    if summary.batches.get("blocked", 0) or summary.refused:
        return Exit.BLOCKED
    if fail_on is not None and summary.breaches(SEVERITIES[: SEVERITIES.index(fail_on) + 1]):
        return Exit.FAIL_ON
    return Exit.DONE


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        _stop("--as-of: not an ISO 8601 instant; write for example 2026-03-01T06:00:00Z.", 2)


def _refuse_foreign_folder(folder: Path) -> None:
    """The demo rewrites its own landing folder, and nobody else's."""
    from flows.demo import is_demo_folder
    from flows.errors import UsageError

    if folder.exists() and any(folder.iterdir()) and not is_demo_folder(folder):
        raise UsageError(
            f"{folder}: is neither empty nor a demo of Keel; name another folder with --dir."
        )


class _explained:  # noqa: N801  (reads as a phrase: with _explained(debug))
    """Turn what went wrong into one sentence on stderr and an exit code."""

    def __init__(self, debug: bool) -> None:
        self._debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> Literal[False]:
        if error is None or self._debug or isinstance(error, typer.Exit | SystemExit):
            return False
        if isinstance(error, KeyboardInterrupt):
            _stop("stopped by you; nothing is half-done, run the same command again.", 1)
        words, code = _sentence(error)
        return _stop(words, code)


def _sentence(error: BaseException) -> tuple[str, int]:
    import errno

    from checks.errors import CheckError
    from flows.errors import KeelError
    from protocols.errors import ProtocolError

    if isinstance(error, KeelError):
        return str(error), error.exit_code
    if isinstance(error, CheckError | ProtocolError):
        return str(error), Exit.USAGE
    if isinstance(error, BrokenPipeError):
        return "whoever read the output stopped reading.", Exit.FAILURE
    if isinstance(error, OSError):
        where = error.filename or "a file"
        disk = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
        words = f"{where}: {error.strerror or 'cannot be read or written'}; mend that, run again."
        return words, Exit.DISK if disk else Exit.FAILURE
    name = type(error).__name__
    return f"an unexpected {name} stopped the run; nothing is half-done, --debug shows where.", 1


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _stop(sentence: str, code: int) -> NoReturn:
    _say(f"keel: {sentence}")
    raise SystemExit(int(code))


def main() -> None:
    """The console script.

    DuckDB's binding writes pages about leaked instances to stderr while the interpreter is taken
    down, so the process ends before that, after everything has been closed and flushed.
    """
    code = 1
    try:
        app()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
