"""The tutorial does what it says, command by command and file by file, on smaller networks."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.cli import keel
from tests.docs.test_commands import parse
from tests.publish.nights import plain_nights

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
SMALL = ["--plain", "--clinics", "2", "--patients", "12", "--days", "40"]


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    """Great Expectations and the report have their own tests."""
    with plain_nights():
        yield


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran, told = [], []
    for about, language, text in re.findall(r"([^\n]*)\n```(\w*)\n(.*?)```", PAGE, re.DOTALL):
        if language == "sh":
            for line in commands(text):
                program, words = follow(line)
                ran.append(program)
                told.append(words)
        elif named := re.findall(r"`(landing/[^`]+\.csv)`", about):
            file = Path(named[-1])
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    assert ran == ["demo", "python", "demo", "nightly", "nightly", "history"]
    assert told[3].splitlines()[1].startswith("  deliveries  2 accepted")
    assert re.search(r"not_met -> met: .*\(correction\)", told[5]), told[5]


def commands(text: str) -> list[str]:
    return [text] if " -c " in text else text.splitlines()


def follow(line: str) -> tuple[str, str]:
    """Do as a line says; gives what was run and what it said."""
    words = shlex.split(line)
    program, arguments = Path(words[0]).name, words[1:]
    if program == "make":
        program, arguments = "keel", ["demo", "--dir", "demo"]
    if program == "python":
        done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
        assert done.returncode == 0 and "reason" in done.stdout, done.stderr
        return program, done.stdout
    if "--truth" in arguments:  # tests/e2e/test_demo_truth.py runs it and counts every breach
        parse(arguments)
        return arguments[0], ""
    small = {"demo": SMALL, "nightly": ["--plain"]}.get(arguments[0], [])
    told = keel(*arguments, *small)
    assert told.exit_code == 0, told.output
    return arguments[0], told.stdout
