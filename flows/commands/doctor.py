"""`keel doctor`: what is wrong with this installation, its settings and its files."""

from __future__ import annotations

import json
import shutil

import typer

from flows.commands.common import Config, Debug, Json, Landing, Publish, Warehouse, explained

_WORDS = {"ok": "ok", "warning": "warn", "broken": "BROKEN", "wrong": "WRONG"}


def doctor(
    config: Config = None,
    landing: Landing = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What is wrong with this installation, its settings and its files, and how to mend each.

    Exit code 0: fine, or warnings only; 1: something is broken; 2: settings, a contract or a
    protocol are wrong.
    """
    with explained(debug):
        from datetime import UTC, datetime

        from flows.doctor import Installation, as_data, exit_code, looking
        from protocols.description import wrapped

        overrides = {"landing": landing, "warehouse": warehouse, "publish": publish}
        width, told = shutil.get_terminal_size().columns, []
        for one in looking(Installation(config, overrides, datetime.now(UTC))):
            told.append(one)
            if not as_json:
                mend = f"; {one.mend}" if one.mend else ""
                line = f"{_WORDS[one.level]:<7}{one.check}: {one.says}{mend}"
                typer.echo(wrapped(line, width, "       "))
        if as_json:
            typer.echo(json.dumps(as_data(told), indent=2))
        else:
            typer.echo(_last(sum(one.level == "warning" for one in told), exit_code(told)))
    raise typer.Exit(exit_code(told))


def _last(warnings: int, code: int) -> str:
    """The one line that is read when nothing else is."""
    said = {0: "nothing is broken", 1: "something is broken", 2: "something is wrong"}[code]
    return f"{said}, {warnings} warning{'' if warnings == 1 else 's'}"
