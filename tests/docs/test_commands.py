"""Every command that README and docs show exists as they write it, and the tutorial's are run.

| shown | held to |
| --- | --- |
| `keel ...` | the command line itself, in the text too: its options and arguments are parsed; those of the blocks are run on a small network (`test_commands_run.py`), but for `keel schedule`, which serves until it is stopped |
| `make ...` | the targets of the Makefile |
| `prefect ...` | the end-to-end test, which runs them on a real server (`tests/e2e/test_every_night.py`) |
| the tutorial, line by line | run, on a small network |
| the how-tos on protocols and on foreign exports | run by `tests/protocols/test_how_to.py`, `tests/sources/test_how_to.py` |
| `pip install`, `python3.11 -m venv` | `.ci/wheel`, which installs into an empty environment |
"""  # noqa: E501

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup

from flows.commands.reference import commands, page, whole

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INSTALLS = ("python3.11 -m venv ", "/opt/keel/bin/pip install ", "export ")


_A_DAY = "2026-03-01"


def shown(path: Path) -> Iterator[str]:
    """Commands of a page's sh blocks; comments and what goes on over lines put right."""
    for block in re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        whole_lines = re.sub(r"\\\n", " ", block)
        if whole_lines.count('"') and " -c " in whole_lines:
            yield whole_lines.strip()
        else:
            yield from (line for line in whole_lines.splitlines() if line.strip())


SHOWN = [(path, line) for path in PAGES for line in shown(path)]


@pytest.mark.parametrize(
    ("path", "line"), SHOWN, ids=[f"{p.stem}-{at}" for at, (p, _) in enumerate(SHOWN)]
)
def test_a_command_that_is_shown_can_be_given(path: Path, line: str) -> None:
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    if program == "keel":
        parse(words[1:])
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert {word for word in words[1:] if "=" not in word} <= set(targets)
    elif program == "prefect":
        assert path.name == "runbook.md", "the end-to-end test runs those of the runbook"
    else:
        assert line.startswith(INSTALLS) or path.name == "tutorial.md", line


def named(path: Path) -> list[str]:
    """`keel ...` in a page's text."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`keel ([^`]+)`", text)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_command_that_the_text_names_is_there(path: Path) -> None:
    """Alone it is a name; with words behind it, it can be given so."""
    for line in named(path):
        words = [_A_DAY if word == "D" else word for word in shlex.split(line) if word != "--help"]
        command: Any = whole()
        behind = list(words)
        while isinstance(command, TyperGroup) and behind:
            assert behind[0] in command.commands, line
            command = command.commands[behind.pop(0)]
        if behind:
            parse(words)


def parse(words: list[str]) -> None:
    """Parse the words of a `keel` command as `keel` does, without running it."""
    command = whole()
    while isinstance(command, TyperGroup):
        assert words[0] in command.commands, words
        command, words = command.commands[words[0]], words[1:]
    command.make_context("keel", list(words))


def test_the_page_of_commands_is_current() -> None:
    held = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    assert held == page(), "run `make docs`"


def test_every_command_that_tells_something_tells_it_to_programs_too() -> None:
    silent = {
        name
        for name, command in commands()
        if "--json" not in {option for one in command.params for option in one.opts}
    }
    assert silent == {"keel schedule", "keel protocol schema"}, "one serves, one prints JSON only"


def test_links_lead_somewhere() -> None:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path}: {target}"
