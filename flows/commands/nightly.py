"""`keel nightly`: the main job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import typer

from flows import __version__
from flows.commands.common import (
    SEVERITIES,
    AsOf,
    Clinics,
    Config,
    Debug,
    DryRun,
    Exit,
    FailOn,
    Feeds,
    Full,
    Json,
    Landing,
    Plain,
    Publish,
    Warehouse,
    explained,
    instant,
    say,
    sentence,
    stop,
)

if TYPE_CHECKING:
    from flows.lock import Lock
    from flows.night import Night
    from flows.progress import Progress
    from flows.settings import Settings
    from flows.summary import Summary


def nightly(
    config: Config = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_of: AsOf = None,
    feed: Feeds = None,
    clinic: Clinics = None,
    dry_run: DryRun = False,
    full: Full = False,
    fail_on: FailOn = None,
    plain: Plain = False,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Everything new under the landing folder becomes facts, verdicts and a published report."""
    say(f"keel {__version__}: nightly starts")
    if fail_on is not None and fail_on not in SEVERITIES:
        stop(f"--fail-on: {fail_on} is no severity; use one of {', '.join(SEVERITIES)}.", 2)
    moment = instant(as_of)
    with explained(debug):
        from flows.settings import load_settings

        overrides = {
            "landing": landing,
            "warehouse": warehouse,
            "publish": publish,
            "as_of": moment,
        }
        settings = load_settings(config, overrides)
        if dry_run:
            show_rehearsal(settings, feed or [], clinic or [], as_json=as_json, full=full)
            raise typer.Exit(Exit.DONE)
        with failure_told(settings):
            summary = run_night(settings, feed or [], clinic or [], plain=plain, full=full)
        show(summary, as_json=as_json)
        tell_watched(summary, settings)
    raise typer.Exit(earned(summary, fail_on))


def show_rehearsal(
    settings: Settings, feeds: list[str], clinics: list[str], *, as_json: bool, full: bool
) -> None:
    """Say what a night would do."""
    from flows.rehearsal import rehearse

    found = rehearse(settings, feeds, clinics, full=full)
    typer.echo(json.dumps(found.as_dict(), indent=2) if as_json else found.words())


def run_night(
    settings: Settings, feeds: list[str], clinics: list[str], *, plain: bool, full: bool = False
) -> Summary:
    """Run the night, with its progress on the terminal."""
    from flows.lock import locked
    from flows.progress import for_this_terminal

    progress = for_this_terminal()
    try:
        with locked(settings.warehouse) as lock:
            return _run_locked(settings, feeds, clinics, progress, lock, plain=plain, full=full)
    finally:
        progress.close()


def show(summary: Summary, *, as_json: bool) -> None:
    """The summary, for a person or a program."""
    typer.echo(json.dumps(summary.as_dict(), indent=2) if as_json else summary.words())


def earned(summary: Summary, fail_on: str | None = None) -> Exit:
    """The exit code of a night that was published."""
    if summary.batches.get("blocked", 0) or summary.refused:
        return Exit.BLOCKED
    if fail_on is not None and summary.breaches(SEVERITIES[: SEVERITIES.index(fail_on) + 1]):
        return Exit.FAIL_ON
    return Exit.DONE


def tell_watched(summary: Summary, settings: Settings) -> None:
    """Send the alerts that a published night gives reason for."""
    from flows.alerts import of_night, send

    send(of_night(summary, settings.alerts), settings.alerts, say)


@contextmanager
def failure_told(settings: Settings) -> Iterator[None]:
    """Send an alert when the night fails, but not when it is turned away: the run that holds the
    warehouse tells for itself, and nobody waits for a mail server.
    """
    from flows.alerts import of_failure, send
    from flows.errors import WarehouseBusy

    try:
        yield
    except WarehouseBusy:
        raise
    except Exception as error:
        send([of_failure(*sentence(error))], settings.alerts, say)
        raise


def _run_locked(
    settings: Settings,
    feeds: list[str],
    clinics: list[str],
    progress: Progress,
    lock: Lock,
    *,
    plain: bool,
    full: bool,
) -> Summary:
    """What takes seconds to import comes after the lock, so that a second run ends at once.
    Addresses of alerts that cannot be used, and a landing folder that is not there, are told before
    anything is done. A database that turns out to be damaged is set aside, and the night begun
    anew.
    """
    from flows.alerts import channels
    from flows.errors import DamagedWarehouse
    from flows.landing import require_landing
    from flows.night import open_night

    channels(settings.alerts)
    require_landing(settings)
    opening = partial(
        open_night, settings, feeds=feeds, clinics=clinics, progress=progress, full=full, lock=lock
    )
    try:
        return _told(opening, plain=plain)
    except DamagedWarehouse as damage:
        progress.say(str(damage))
        return _told(opening, plain=plain)


def _told(opening: Callable[[], AbstractContextManager[Night]], *, plain: bool) -> Summary:
    with opening() as night:
        if plain:
            from flows.story import plainly, tell

            return tell(night, plainly)
        from flows.nightly import run_as_flow

        return run_as_flow(night)
