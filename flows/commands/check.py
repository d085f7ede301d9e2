"""`keel check`: for the person who exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.common import SHOWN_ROWS, Config, Debug, Exit, Json, Landing, explained

if TYPE_CHECKING:
    from flows.checking import Checked, Verdict


def check(
    paths: Annotated[list[Path], typer.Argument(help="Export files, or folders of them")],
    clinic: Annotated[
        str | None,
        typer.Option(help="Whose files these are [default: the folder they lie in]"),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone of clinics that no clinics file names [default: UTC]"),
    ] = None,
    rows: Annotated[
        int, typer.Option(min=1, help="How many rows to name for each thing that is wrong")
    ] = SHOWN_ROWS,
    config: Config = None,
    landing: Landing = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Judge export files without loading them: what is wrong, in which rows, what to do."""
    with explained(debug):
        from dataclasses import asdict

        from flows.checking import check_files
        from flows.settings import load_settings

        settings = load_settings(config, {"landing": landing})
        verdict = check_files(paths, settings, clinic=clinic, time_zone=time_zone, rows=rows)
        typer.echo(json.dumps(asdict(verdict), indent=2) if as_json else _words(verdict))
    raise typer.Exit(Exit.BLOCKED if verdict.blocked else Exit.DONE)


def _words(verdict: Verdict) -> str:
    """For a person at a terminal: a file at a time, then what could not be looked at."""
    from flows.faults import counted

    files = [line for item in verdict.files for line in _file_words(item)]
    aside = [f"{path}: {why}" for path, why in verdict.left_aside]
    states = [item.state for item in verdict.files]
    said = [
        (states.count("accepted"), "would be loaded in full"),
        (states.count("partial"), "with rows that would be quarantined"),
        (states.count("blocked"), "would be blocked"),
        (states.count("duplicate"), "would not be loaded twice"),
        (len(aside), "would be left aside"),
    ]
    total = counted(len(states) + len(aside), "file")
    summary = f"{total}: {', '.join(f'{number:,} {words}' for number, words in said if number)}."
    numbered = any(fault.row_numbers for item in verdict.files for fault in item.faults)
    return "\n".join(
        [
            *files,
            *aside,
            *(f"note: {note}" for note in verdict.notes),
            *(["Rows are counted from 1 below the header."] if numbered else []),
            summary,
        ]
    )


def _file_words(item: Checked) -> list[str]:
    from flows.faults import counted

    faults = [f"  {fault.sentence()}" for fault in item.faults]
    unknown = [
        f"  warning: column {name} is not known and would not be used"
        for name in item.unknown_columns
    ]
    if item.state == "blocked":
        said = f"would be blocked: {item.reason}; mend that and export it again."
    elif item.state == "duplicate":
        said = f"would not be loaded again: {item.reason}."
    elif item.state == "partial":
        bad = counted(item.quarantined, "row")
        said = f"{bad} of {item.rows:,} would be quarantined; mend them and export them again."
    elif not item.rows:
        said = "has a header and no rows: a delivery that brings nothing new."
    else:
        said = f"{counted(item.rows, 'row')}, {_all(item.rows)} would be loaded."
    return [f"{item.path}: {said}", *faults, *unknown]


def _all(rows: int) -> str:
    return "which" if rows == 1 else "all"
