"""`keel protocol`: the protocol library: catalogue, worked examples, changes, replay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.common import (
    AsOf,
    Config,
    Debug,
    Exit,
    Json,
    Warehouse,
    explained,
    instant,
    period,
)

if TYPE_CHECKING:
    from flows.settings import Settings
    from protocols.catalogue import Catalogue

protocol = typer.Typer(
    no_args_is_help=True,
    help="The protocol library: catalogue, worked examples, changes, and a draft on the past.",
)


@protocol.command("list")
def protocol_list(config: Config = None, as_json: Json = False, debug: Debug = False) -> None:
    """Every version of every protocol, built in and the network's own."""
    with explained(debug):
        from flows.protocol_texts import listed
        from protocols.description import as_data

        held = _catalogue(config)[0].all()
        if as_json:
            typer.echo(json.dumps([as_data(one) for one in held], indent=2))
        else:
            typer.echo(listed(held))


@protocol.command("show")
def protocol_show(
    name: Annotated[
        str, typer.Argument(help="ID (the version in force, else the newest), ID@VERSION or FILE")
    ],
    config: Config = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """One protocol in plain words, rule by rule."""
    with explained(debug):
        from protocols.description import as_data, described, rules_as_data

        shown = _catalogue(config)[0].one(name)
        if as_json:
            typer.echo(json.dumps({**as_data(shown), "rules": rules_as_data(shown)}, indent=2))
        else:
            typer.echo(described(shown, _width()))


@protocol.command("test")
def protocol_test(
    name: Annotated[
        str | None, typer.Argument(help="ID, ID@VERSION or FILE [default: every protocol]")
    ] = None,
    config: Config = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Run the worked examples: 0 all hold, 1 one does not, 2 a file is broken."""
    with explained(debug):
        from flows.protocol_texts import tested
        from protocols.examples import tried

        catalogue, _ = _catalogue(config)
        found = [tried(one) for one in (catalogue.named(name) if name else catalogue.all())]
        if as_json:
            typer.echo(json.dumps([one.as_data() for one in found], indent=2))
        else:
            typer.echo("\n".join(tested(one, _width()) for one in found))
    raise typer.Exit(Exit.DONE if all(one.holds for one in found) else Exit.FAILURE)


@protocol.command("diff")
def protocol_diff(
    old: Annotated[str, typer.Argument(help="ID@VERSION or FILE")],
    new: Annotated[str, typer.Argument(help="ID@VERSION or FILE")],
    config: Config = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What changed from one version to another, in words."""
    with explained(debug):
        from protocols.description import wrapped
        from protocols.differences import differences

        catalogue, _ = _catalogue(config)
        lines = differences(catalogue.one(old), catalogue.one(new))
        if as_json:
            typer.echo(json.dumps(lines, indent=2))
        else:
            words = lines or ["nothing changed"]
            typer.echo("\n".join(wrapped(line, _width(), "  ") for line in words))


@protocol.command("replay")
def protocol_replay(
    name: Annotated[str, typer.Argument(metavar="FILE", help="The draft: FILE or ID@VERSION")],
    first: Annotated[str | None, typer.Option("--from", help="First local date")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last local date")] = None,
    subjects: Annotated[
        bool, typer.Option("--subjects", help="Name each session whose verdict changes")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write those to this CSV file, for its owner's eyes only")
    ] = None,
    config: Config = None,
    warehouse: Warehouse = None,
    as_of: AsOf = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """What a draft would have said of the past, beside what the version in force says."""
    with explained(debug):
        from flows.protocol_texts import replayed
        from flows.replay import replay, write_subjects
        from flows.warehouse import read_warehouse

        among = period(first, last)
        catalogue, settings = _catalogue(config, warehouse=warehouse, as_of=instant(as_of))
        draft = catalogue.one(name)
        with read_warehouse(settings.warehouse) as opened:
            found = replay(opened, draft, catalogue.all(), settings, among)
        if out is not None:
            write_subjects(found, out)
        if as_json:
            typer.echo(json.dumps(found.as_data(with_subjects=subjects), indent=2))
        else:
            typer.echo(replayed(found, _width(), with_subjects=subjects))


@protocol.command("schema")
def protocol_schema() -> None:
    """The JSON Schema of protocol files, for editors that complete and check."""
    from protocols.schema import schema_text

    typer.echo(schema_text(), nl=False)


def _catalogue(config: Path | None, **overrides: object) -> tuple[Catalogue, Settings]:
    from flows.settings import load_settings
    from protocols.catalogue import Catalogue

    settings = load_settings(config, overrides)
    found = Catalogue(settings.protocols, settings.builtin_protocols, settings.now().date())
    return found, settings


def _width() -> int:
    return shutil.get_terminal_size().columns
