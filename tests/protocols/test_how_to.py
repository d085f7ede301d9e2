"""The how-to on protocols does what it says: its files, its commands, what they print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from protocols.kinds import kinds

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PAGE = (HOW_TO / "write-a-protocol.md").read_text(encoding="utf-8")


def test_every_file_and_command_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    printed, shown, files = "", 0, 0
    for language, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL):
        if language == "yaml":
            name = text.split("\n")[0].removeprefix("# ")
            Path(name).write_text(text, encoding="utf-8")
            files += 1
        elif language == "sh":
            program, *arguments = text.split()
            assert program == "keel"
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.output
            printed = done.stdout
        elif language == "text":
            assert printed == text
            shown += 1
    assert (files, shown) == (3, 3)


def test_the_mistake_is_told_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    told = re.search(r"```console\n(keel: .*?)\n```", PAGE)
    assert told is not None
    wrong = files[1].replace("systolic_mmhg is not null", "systolic_mmgh is not null")
    Path("my-file.yaml").write_text(wrong, encoding="utf-8")
    done = CliRunner().invoke(app, ["protocol", "test", "my-file.yaml"])
    assert (done.exit_code, done.stderr) == (2, f"{told[1]}\n")


def test_the_pages_name_every_kind_and_all_that_a_kind_offers() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == set(kinds())
    offered = set(re.findall(r"^   \| `(\w+)", (HOW_TO / "add-a-rule-kind.md").read_text(), re.M))
    assert offered == {"KIND", "parts", "verdict", "asks", "missing"}
    assert all(hasattr(kind, name) for kind in kinds().values() for name in offered)
