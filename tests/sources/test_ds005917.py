"""A real trial's export becomes facts: ds005917, a cross-over of one ketamine infusion."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest

from checks.contract import contracts
from flows.deliveries import land
from flows.landing import discover
from flows.load import load_feed
from flows.runs import start_run
from flows.settings import Settings
from flows.sources.foreign import Conversion, convert
from flows.warehouse import open_warehouse
from tests.commands.cli import keel
from tests.sources.ds005917 import CHANGE, REAL, SETTINGS, made_up, source

real = pytest.mark.skipif(
    not (REAL / "phenotype.tsv").is_file(),
    reason="the trial's files are not at ../shared/data/ketamine-rct-ds005917",
)


def feed(found: Conversion, name: str) -> list[dict[str, Any]]:
    return [r for batch in found.batches if batch.feed == name for r in batch.rows.to_pylist()]


def facts_of(folder: Path, export: Path) -> list[tuple[Any, ...]]:
    """Load the export into a warehouse and ask it for the change of MADRS."""
    values = tomllib.loads(SETTINGS.format(folder=export))
    settings = Settings.model_validate(
        values | {name: folder / values[name] for name in ("landing", "warehouse", "publish")}
    )
    with open_warehouse(settings.warehouse) as warehouse:
        run = start_run(warehouse, settings.now())
        land(warehouse, discover(settings, warehouse, (), ()), run, settings)
        for name in contracts():
            load_feed(warehouse, name, run, settings)
        return warehouse.db.execute(CHANGE).fetchall()


def test_the_layout_gives_patients_infusions_and_scores(tmp_path: Path) -> None:
    found = convert(source(made_up(tmp_path)), tmp_path)
    assert [batch.feed for batch in found.batches] == [
        "clinics", "patients", "sessions", "outcomes"
    ]  # fmt: skip
    assert [(r["patient_id"], r["sex"], r["indication"]) for r in feed(found, "patients")] == [
        ("sub-X1", "F", "MDD"), ("sub-X2", "M", "MDD"), ("sub-X3", None, "HC"),
    ]  # fmt: skip
    assert [(r["session_id"], r["program"], r["started_at"]) for r in feed(found, "sessions")] == [
        ("sub-X1-d", "ketamine", "2010-01-06T10:00"),
        ("sub-X1-p", "placebo", "2010-01-20T10:00"),
        ("sub-X2-d", "ketamine", "2010-01-20T10:00"),
        ("sub-X2-p", "placebo", "2010-01-06T10:00"),
        ("sub-X3-d", "ketamine", "2010-01-06T10:00"),
    ]


def test_a_visits_day_counts_from_its_arms_infusion(tmp_path: Path) -> None:
    found = convert(source(made_up(tmp_path)), tmp_path)
    madrs = {
        r["outcome_id"]: (r["session_id"], r["administered_at"], r["total"])
        for r in feed(found, "outcomes")
        if r["instrument"] == "MADRS"
    }
    assert madrs == {
        "sub-X1-ses-b0-MADRS": (None, "2010-01-04T10:00", "30"),
        "sub-X1-ses-d2-MADRS": ("sub-X1-d", "2010-01-08T10:00", "12"),
        "sub-X2-ses-b0-MADRS": (None, "2010-01-04T10:00", "34"),
        "sub-X2-ses-p2-MADRS": ("sub-X2-p", "2010-01-08T10:00", "33"),
        "sub-X2-ses-d2-MADRS": ("sub-X2-d", "2010-01-22T10:00", "20"),
        "sub-X3-ses-b0-MADRS": (None, "2010-01-04T10:00", "1"),
    }


def test_derived_dates_are_named(tmp_path: Path) -> None:
    found = convert(source(made_up(tmp_path)), tmp_path)
    assert {batch.feed: sorted(batch.derived) for batch in found.batches} == {
        "clinics": [], "patients": [], "sessions": ["started_at"], "outcomes": ["administered_at"],
    }  # fmt: skip


def test_a_visit_after_an_infusion_that_never_was_is_quarantined(tmp_path: Path) -> None:
    folder = made_up(tmp_path)
    with (folder / "phenotype.tsv").open("a") as file:
        file.write("sub-X3\tses-p2\t3\t1\t2\nsub-X1\tses-e2\t3\t1\t2\n")
    visits = convert(source(folder), tmp_path).accounts[1]
    assert (visits.rows, visits.used, visits.quarantined, visits.unused) == (10, 6, 2, (9, 10))


def test_made_up_export_to_facts(tmp_path: Path) -> None:
    assert sorted(facts_of(tmp_path, made_up(tmp_path / "export"))) == [
        ("MDD", "ketamine", 2, 2, 32.0, 16.0, 1),
        ("MDD", "placebo", 2, 1, 34.0, 33.0, 0),
    ]


@real
def test_every_row_of_the_real_export_is_accounted_for(tmp_path: Path) -> None:
    found = convert(source(REAL), tmp_path)
    participants, visits = found.accounts
    assert (participants.rows, participants.used, participants.quarantined) == (58, 58, 0)
    assert (visits.rows, visits.used, visits.quarantined) == (236, 226, 0)
    assert visits.skipped == {"not_a_visit": 1, "no_score": 9}
    assert Counter(row["instrument"] for row in feed(found, "outcomes")) == {
        "MADRS": 226, "HAMD-6": 207, "HAM-D17": 207,
    }  # fmt: skip
    assert len(feed(found, "sessions")) == 97


@real
def test_the_real_export_to_facts(tmp_path: Path) -> None:
    changes = {row[:3]: row[3:] for row in facts_of(tmp_path, REAL)}
    assert changes["MDD", "ketamine", 2] == (27, 32.815, 23.593, 6)


@real
def test_the_real_export_through_keel_nightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keel.toml").write_text(SETTINGS.format(folder=REAL))
    for _ in range(2):
        done = keel("nightly", "--plain")
        assert done.exit_code == 0, done.output
    with duckdb.connect(str(tmp_path / "warehouse" / "keel.duckdb"), read_only=True) as db:
        changes = {row[:3]: row[3:] for row in db.execute(CHANGE).fetchall()}
        batches = db.execute(
            "SELECT feed, state, rows, loaded, quarantined FROM ops.batches ORDER BY batch_no"
        ).fetchall()
        rows = db.execute(
            "SELECT DISTINCT table_name, rows, used, quarantined FROM ops.foreign_rows ORDER BY 1"
        ).fetchall()
    assert changes["MDD", "ketamine", 2] == (27, 32.815, 23.593, 6)
    assert batches == [
        ("clinics", "accepted", 1, 1, 0),
        ("patients", "accepted", 58, 58, 0),
        ("sessions", "accepted", 97, 97, 0),
        ("outcomes", "accepted", 640, 640, 0),
    ]
    assert rows == [("participants", 58, 58, 0), ("visits", 236, 226, 0)]
