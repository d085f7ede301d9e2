"""The page of the commands, made from them: `python -m flows.commands.reference PAGE`.

A test holds docs/reference/commands.md to it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.main import get_command

from flows.cli import app

_HEAD = """# Commands
Made by `make docs` from the commands themselves. What each exit code means and what to do then: [runbook](../runbook.md). Every setting behind an option: [settings](settings.md).

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failure |
| 2 | wrong usage, settings, contract or protocol |
| 3 | another run holds the warehouse |
| 4 | the disk is full or not writable |
| 5 | some delivery was blocked, the rest is published |
| 6 | `--fail-on` was breached |
"""  # noqa: E501


def page() -> str:
    """The whole page in Markdown."""
    return "\n".join([_HEAD, *(_section(name, command) for name, command in commands())])


def commands(
    group: TyperGroup | None = None, path: str = "keel"
) -> Iterator[tuple[str, TyperCommand]]:
    """Every command that does something, by its full name."""
    for name, command in sorted((group or whole()).commands.items()):
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def whole() -> TyperGroup:
    """`keel` itself."""
    found = get_command(app)
    assert isinstance(found, TyperGroup)
    return found


def _section(name: str, command: TyperCommand) -> str:
    context = typer.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "```", usage, "```", inspect.cleandoc(command.help or ""), ""]
    rows = [_row(one) for one in command.params]
    if rows:
        lines += ["| | what it does | default |", "| --- | --- | --- |", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument):
        name = parameter.display_name_raw
    else:
        name = ", ".join(parameter.opts)
    default = "needed" if parameter.required else _default(parameter.default)
    return f"| `{name}` | {(parameter.help or '').replace('|', '/')} | {default} |"


def _default(value: object) -> str:
    return "" if value is None or value is False or callable(value) else f"`{value}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
