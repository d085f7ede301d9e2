"""`keel schedule`: the night by itself."""

from __future__ import annotations

import typer

from flows.commands.common import Config, Debug, explained, say


def schedule(config: Config = None, debug: Debug = False) -> None:
    """Serve the nightly on its cron with Prefect, until it is stopped.

    Needs a Prefect server (`prefect server start`) and its address in PREFECT_API_URL. Cron and
    time zone are those of [schedule] in keel.toml.
    """
    with explained(debug):
        from flows.alerts import channels
        from flows.serving import serve_nightly
        from flows.settings import load_settings

        settings = load_settings(config, {})
        channels(settings.alerts)
        serve_nightly(config, settings.schedule, say)
    raise typer.Exit
