"""`keel audit`: samples of charts, packs for auditors, and whether anything was changed since."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.common import (
    Config,
    Debug,
    Exit,
    Json,
    Publish,
    Warehouse,
    existing_warehouse,
    explained,
    stop,
)

if TYPE_CHECKING:
    from flows.audit_packs.bundle import Bundle, Written
    from flows.audit_packs.scope import Scope
    from flows.audit_verify import Checked
    from flows.warehouse import Warehouse as OpenWarehouse

audit = typer.Typer(
    no_args_is_help=True, help="Chart-audit samples, packs for auditors, and verification."
)
Clinic = Annotated[str, typer.Option("--clinic", help="The clinic, by its clinic_id")]
From = Annotated[str, typer.Option("--from", help="First local day, as 2026-01-31")]
To = Annotated[str, typer.Option("--to", help="Last local day, included")]
Out = Annotated[
    Path | None, typer.Option(help="Folder to write, which must not exist [default: below audit/]")
]


class Kind(StrEnum):
    """Whom a pack is for."""

    REMS = "rems"
    DEA = "dea"
    SURVEY = "survey"


@audit.command("sample")
def audit_sample(
    clinic: Clinic,
    first: From,
    last: To,
    seed: Annotated[
        int | None, typer.Option(help="Of the draw; the same seed draws the same [default: drawn]")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Charts of the whole period [default: by month, as the Joint "
                     "Commission's sizes say]"),
    ] = None,
    out: Out = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:  # fmt: skip
    """Draw sessions for a chart audit, and write a worksheet for each."""
    drawn = secrets.randbelow(10**6) if seed is None else seed
    more = (f"seed{drawn}",)

    def made(opened: OpenWarehouse, scope: Scope) -> Bundle:
        from flows.audit_packs.sample import sample_bundle

        return sample_bundle(opened, scope, drawn, size)

    with explained(debug):
        written = _written(made, clinic, (first, last), out, ("sample", *more), config, warehouse)
        _say_written(written, as_json, f"seed {drawn}, {written.rows['charts']:,} charts")


@audit.command("pack")
def audit_pack(
    kind: Annotated[Kind, typer.Option(help="Whom it is for")],
    clinic: Clinic,
    first: From,
    last: To,
    out: Out = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write an evidence bundle for the REMS, the DEA (with patients' names) or a survey."""

    def made(opened: OpenWarehouse, scope: Scope) -> Bundle:
        from flows.audit_packs.dea import dea_pack
        from flows.audit_packs.rems import rems_pack
        from flows.audit_packs.survey import survey_pack

        packs = {Kind.REMS: rems_pack, Kind.DEA: dea_pack, Kind.SURVEY: survey_pack}
        return packs[kind](opened, scope)

    with explained(debug):
        written = _written(made, clinic, (first, last), out, (kind.value,), config, warehouse)
        _say_written(written, as_json, f"{len(written.rows)} tables")


@audit.command("verify")
def audit_verify(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders of packs and samples")
    ] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    publish: Publish = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Say whether packs, published runs and the audit log are as they were written.

    With no folder named, the warehouse and the published runs of the settings are looked at.
    """
    with explained(debug):
        checked = _checked(folders or [], config, warehouse, publish)
        intact = all(one.intact for one in checked)
        if as_json:
            found = [
                {"where": str(one.where), "what": one.what, "problems": list(one.problems)}
                for one in checked
            ]
            typer.echo(json.dumps({"intact": intact, "checked": found}, indent=2))
        for one in () if as_json else checked:
            typer.echo(f"{one.where}: {'intact' if one.intact else 'NOT INTACT'} ({one.what})")
            for problem in one.problems:
                typer.echo(f"  {problem}")
    raise typer.Exit(Exit.DONE if intact else Exit.FAILURE)


def _checked(
    folders: list[Path], config: Path | None, warehouse: Path | None, publish: Path | None
) -> list[Checked]:
    from flows.audit_verify import verify_bundle, verify_log, verify_runs

    checked = [verify_bundle(folder, warehouse) for folder in folders]
    if not folders and warehouse is None and publish is None:
        from flows.settings import load_settings

        settings = load_settings(config, {})
        warehouse, publish = settings.warehouse, settings.publish
    if publish is not None:
        checked += verify_runs(publish)
    if warehouse is not None:
        checked.append(verify_log(warehouse, publish))
    return checked


def _written(
    made: Callable[[OpenWarehouse, Scope], Bundle],
    clinic: str,
    days: tuple[str, str],
    out: Path | None,
    name: tuple[str, ...],
    config: Path | None,
    warehouse: Path | None,
) -> Written:
    first, last = _day("--from", days[0]), _day("--to", days[1])
    with existing_warehouse(config, warehouse) as (opened, _):
        from flows.audit_packs.bundle import default_folder, write_bundle
        from flows.audit_packs.scope import find_scope

        scope = find_scope(opened, clinic, first, last)
        kind, *more = name
        return write_bundle(opened, made(opened, scope), out or default_folder(kind, scope, *more))


def _say_written(written: Written, as_json: bool, what: str) -> None:
    if as_json:
        told = {
            "folder": str(written.folder), "manifest_sha256": written.manifest_sha256,
            "rows": dict(written.rows),
        }  # fmt: skip
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"{written.folder / 'index.html'}: {what}")
    for name, rows in written.rows.items():
        typer.echo(f"  {name}: {rows:,} rows")
    typer.echo(f"  manifest {written.manifest_sha256}, in the audit log")


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        stop(f"{option}: not a day; write for example 2026-01-31.", Exit.USAGE)
