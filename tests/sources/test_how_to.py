"""The how-to on foreign exports does what it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from flows.settings import Settings
from flows.sources.foreign import convert
from tests.sources.ds005917 import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "foreign-exports.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_gives_what_the_page_says(tmp_path: Path) -> None:
    (sheet,), (select,) = blocks("csv"), blocks("sql")
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "sheet_1.csv").write_text(sheet)
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "ward_vitals.sql").write_text(select)
    settings = Settings.model_validate(tomllib.loads(blocks("toml")[0]))
    found = convert(settings.source[0], tmp_path)
    (account,), (batch,) = found.accounts, found.batches
    assert (account.rows, account.used, account.skipped) == (5, 3, {"footer": 1})
    assert account.unused == (5,)
    assert [
        (row["session_id"], row["systolic_mmhg"], row["diastolic_mmhg"], row["spo2_pct"])
        for row in batch.rows.to_pylist()
    ] == [("V-1", "128", "79", None), ("V-1", "141", "88", None), ("V-1", None, None, "97")]


def test_the_trials_settings_are_those_that_are_tested() -> None:
    (shown,) = tomllib.loads(blocks("toml")[1])["source"]
    (tested,) = tomllib.loads(SETTINGS.format(folder="ds005917"))["source"]
    assert shown == tested
