"""The how-to on foreign exports does what it says."""

from __future__ import annotations

import csv
import re
import shutil
import tomllib
from pathlib import Path

import duckdb
import pytest

from flows.settings import Settings
from flows.sources.foreign import convert
from tests.commands.cli import keel
from tests.publish.nights import plain_nights
from tests.sources.ds005917 import REAL, SETTINGS
from tests.sources.test_ds005917 import real

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


@real
def test_the_trial_as_the_page_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (protocol,) = blocks("yaml")
    (commands,) = blocks("sh")
    (tmp_path / "keel.toml").write_text(blocks("toml")[1])
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "nimh-follow-up.yaml").write_text(protocol)
    (tmp_path / "ds005917").mkdir()
    for name in ("participants.tsv", "phenotype.tsv"):
        shutil.copy2(REAL / name, tmp_path / "ds005917")
    monkeypatch.chdir(tmp_path)
    test, night = commands.splitlines()
    told = keel(*test.split()[1:])
    assert told.exit_code == 0, told.output
    with plain_nights():
        done = keel(*night.split()[1:], "--plain")
    assert done.exit_code == 0, done.output
    with duckdb.connect("published/current/results.duckdb", read_only=True) as db:
        found = dict(
            db.execute("SELECT status, count(*) FROM marts.subject_adherence GROUP BY 1").fetchall()
        )
        cohorts = {
            program: (started, responders)
            for program, started, responders in db.execute(
                "SELECT program, courses_started, responders FROM marts.cost_cohorts"
            ).fetchall()
        }
    assert found == scored_on_day_2()
    assert cohorts == {"ketamine": (29, 6), "placebo": (27, 0)}
    assert "Six of 29 responded to ketamine, none of 27 to placebo" in PAGE.read_text()
    said = re.search(r"of the (\d+) infusions of people with depression, (\d+)", PAGE.read_text())
    assert said and (int(said[1]), int(said[2])) == (sum(found.values()), found["compliant"])


def scored_on_day_2() -> dict[str, int]:
    """Infusions of the trial's depressed people by whether a MADRS came two days later, counted in
    its files."""
    with (REAL / "participants.tsv").open() as people, (REAL / "phenotype.tsv").open() as visits:
        scores = {
            (row["participant_id"], row["session_id"]): row["MADRS_Total"]
            for row in csv.DictReader(visits, delimiter="\t")
        }
        arms = [
            (row["participant_id"], arm)
            for row in csv.DictReader(people, delimiter="\t")
            for arm in (row["infusion_1"], row["infusion_2"])
            if row["group"] == "MDD" and arm in ("d", "p")
        ]
    scored = [scores.get((who, f"ses-{arm}2"), "n/a") != "n/a" for who, arm in arms]
    return {"compliant": sum(scored), "non_compliant": len(scored) - sum(scored)}
