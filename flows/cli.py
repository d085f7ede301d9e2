"""`keel`: the console script and its commands."""

from __future__ import annotations

import atexit
import os
import sys
from threading import Thread
from typing import Annotated

import typer

from flows import __version__
from flows.commands.alive import alive
from flows.commands.audit import audit
from flows.commands.backfill import backfill
from flows.commands.backup import backup, restore
from flows.commands.batch import batch
from flows.commands.check import check
from flows.commands.demo import demo
from flows.commands.doctor import doctor
from flows.commands.history import history
from flows.commands.nightly import nightly
from flows.commands.protocol import protocol
from flows.commands.purge import purge
from flows.commands.report import report
from flows.commands.risk import risk
from flows.commands.schedule import schedule
from flows.commands.whois import whois

FAREWELL_SECONDS = 15

app = typer.Typer(
    name="keel",
    help="Nightly operations pipeline for ketamine and esketamine clinics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    nightly, demo, report, check, history, risk, backfill, backup, restore, purge, whois, doctor,
    alive, schedule,
):  # fmt: skip
    app.command()(command)
app.add_typer(audit, name="audit")
app.add_typer(batch, name="batch")
app.add_typer(protocol, name="protocol")


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


def main() -> None:
    """The console script.

    DuckDB's binding writes pages about leaked instances to stderr while the interpreter is taken
    down, so the process ends before that, after everything has been closed and flushed. What wants
    to say farewell to a server that is gone is not waited for.
    """
    code = 1
    try:
        app()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    farewells = Thread(target=atexit._run_exitfuncs, daemon=True)
    farewells.start()
    farewells.join(FAREWELL_SECONDS)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
