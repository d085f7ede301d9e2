"""`keel alive`: the dead man's check. Nothing of the night itself need work for it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer

from flows.commands.common import Config, Debug, Exit, Json, Publish, explained, say


def alive(
    within: Annotated[
        str, typer.Option(help="How long ago the newest night may have begun: 90m, 26h or 2d")
    ] = "26h",
    config: Config = None,
    publish: Publish = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Whether a night was published lately; if not, alerts are sent and the exit code is 1."""
    with explained(debug):
        from datetime import UTC, datetime

        from flows.alerts import of_silence, send
        from flows.alive import look_for_life
        from flows.settings import load_settings

        settings = load_settings(config, {"publish": publish})
        life = look_for_life(settings.publish, datetime.now(UTC), _limit(within))
        typer.echo(json.dumps(life.as_dict(), indent=2) if as_json else life.sentence())
        if not life.is_alive:
            send([of_silence(life.sentence())], settings.alerts, say)
    raise typer.Exit(Exit.DONE if life.is_alive else Exit.FAILURE)


def _limit(text: str) -> timedelta:
    from flows.errors import UsageError
    from protocols.durations import parse_length

    try:
        length = parse_length(text)
    except ValueError as problem:
        raise UsageError(f"--within: {problem}.") from None
    if length.delta <= timedelta(0):
        raise UsageError("--within: must be longer than nothing, for example 26h.")
    return length.delta
