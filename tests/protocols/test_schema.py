"""The published JSON Schema takes what Keel takes, refuses what is misspelt, and is up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from checks.strict_yaml import parse
from protocols.schema import schema, schema_text
from tests.protocols.test_differences import FILE as ALL_KINDS
from tests.protocols.test_strict import DISPENSES, EXTENDING, FILE

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "write-a-protocol.md"
VALIDATOR = Draft202012Validator(schema())


def as_json(part: Any) -> Any:
    """YAML's dates as the editors that use the schema see them: text."""
    if isinstance(part, dict):
        return {name: as_json(value) for name, value in part.items()}
    if isinstance(part, list):
        return [as_json(value) for value in part]
    return part.isoformat() if isinstance(part, date | datetime) else part


def problems(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(as_json(parse(text).data))]


def whole_files() -> Iterator[Any]:
    for entry in (files("protocols") / "library").iterdir():
        if entry.name.endswith(".yaml"):
            yield pytest.param(entry.read_text(encoding="utf-8"), id=entry.name)
    shown = re.findall(r"```yaml\n(# \S+\nprotocol:.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(shown) == 3
    for at, text in enumerate(shown):
        yield pytest.param(text, id=f"how-to {at}")
    for name, text in (("kinds", ALL_KINDS), ("strict", FILE), ("dispenses", DISPENSES),
                       ("extending", EXTENDING)):  # fmt: skip
        yield pytest.param(text, id=name)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_published_schema_is_up_to_date() -> None:
    published = ROOT / "docs" / "reference" / "protocol.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), "run `make docs`"


@pytest.mark.parametrize("text", whole_files())
def test_what_keel_takes_is_taken(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("drug:", "drugs:"), ("every: 15m", "evry: 15m"), ("max: 100", "max: '100'"),
        ("max: 100", "max: true"), ("severity: major", "severity: grave"),
        ("kind: cadence", "kind: rhythm"), ("of: vitals\n", "of: vitlas\n"),
        ("every: 15m", "every: 15 minutes"), ("[iv_ketamine]", "iv_ketamine"),
        ("window: [started_at, ended_at]", "window: [started_at]"),
        ("window: [started_at, ended_at]", "window: [started_at, 5 o'clock]"),
        ("version: 1.0.0", "version: '1.0'"), ("version: 1.0.0", "version: 1.0"),
        ("title: Mine\n", ""), ("expr: dose_mg", "source: trial\n    expr: dose_mg"),
        ("    source: trial\n", ""), ("tier: T4", "tier: T5"), ("from: started_at", "from_: x"),
        ("expr: dose_mg", "expr: dose_mg\n    every: 15m"),
        ("title: Mine", "title: Mine\nsha256: x"), ("{dose: not_met}", "{dose: no_}"),
        ("title: Mine", "title: Mine\noverrides: {dose: {max: 5}}"),
    ],
)  # fmt: skip
def test_what_is_broken_is_refused(old: str, new: str) -> None:
    assert FILE.count(old) >= 1
    assert problems(FILE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [("every: 20m", "evry: 20m"), ("every: 20m", "every: soon"), ("{every: 20m}", "{}"),
     ("{every: 20m}", "{dropped: 5}"), ("{every: 20m}", "{dropped: x, every: 20m}"),
     ("mine@1.0.0", "mine"), ("{every: 20m}", "{id: x}"), ("version: 1.0.0\n", "")],
)  # fmt: skip
def test_what_is_broken_in_a_file_that_extends_is_refused(old: str, new: str) -> None:
    assert EXTENDING.count(old) == 1
    assert problems(EXTENDING.replace(old, new))
