"""The demo's planted truth against what a night finds: all of it, and nothing else."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from flows.demo import write_network
from protocols.risk import risk
from tests.faults.plain_night import plain_night
from tests.prepared import made_once
from tests.publish.nights import plain_nights

FOUND = (
    "SELECT clinic_id, subject_id, protocol, rule_id, status FROM marts.findings "
    "WHERE status <> 'pending'"
)
LEAST_BROKEN = 4
DEPRESSION = "iv-ketamine-depression"


def demo(folder: Path, *, clean: bool) -> str:
    """Write a network in which every breach is planted, or none; gives when to judge it."""
    written = write_network(
        folder, clinics=3, patients=150, days=70, seed=11, clean=clean, truth=True
    )
    return written.as_of.isoformat()


def judged(folder: Path, *, clean: bool) -> None:
    as_of = demo(folder, clean=clean)
    with plain_nights():
        plain_night(folder, as_of)


def truth_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, str]]]:
    folder = made_once(tmp_path_factory, "planted", lambda folder: judged(folder, clean=False))
    return folder, truth_of(folder)


def results(folder: Path) -> duckdb.DuckDBPyConnection:
    path = folder / "published" / "current" / "results.duckdb"
    return duckdb.connect(str(path), read_only=True)


def test_every_planted_breach_is_found_and_nothing_else(
    planted: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, truth = planted
    breaches = [row for row in truth if row["kind"] == "breach"]
    expected = {
        (row["clinic_id"], row["subject_id"], row["protocol"], row["rule_id"], row["status"])
        for row in breaches
    }
    with results(folder) as db:
        found = set(db.execute(FOUND).fetchall())
        rules = set(db.execute("SELECT DISTINCT protocol, rule_id FROM marts.rules").fetchall())
    assert found == expected
    planted_in = Counter(
        protocol
        for protocol, _ in {
            (row["protocol"], row["rule_id"]) for row in breaches if row["status"] == "not_met"
        }
    )
    assert planted_in[DEPRESSION] == sum(protocol == DEPRESSION for protocol, _ in rules)
    assert {protocol for protocol, _ in rules} == set(planted_in)
    assert min(planted_in.values()) >= LEAST_BROKEN, planted_in


def test_every_spoiled_row_is_in_quarantine_and_nothing_else(
    planted: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, truth = planted
    expected = {
        (row["file"], int(row["row_number"]), row["reason"])
        for row in truth
        if row["kind"] == "dirty_row"
    }
    with results(folder) as db:
        found = db.execute(
            "SELECT b.path, q.row_number, unnest(q.reasons) FROM ops.quarantine q "
            "JOIN ops.batches b USING (batch_no)"
        ).fetchall()
    assert set(found) == expected
    assert expected


def test_every_wrong_code_is_found_and_nothing_else(
    planted: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, truth = planted
    expected = {
        (row["clinic_id"], row["subject_id"], row["rule_id"])
        for row in truth
        if row["kind"] == "billing"
    }
    with results(folder) as db:
        found = db.execute(
            "SELECT clinic_id, charge_id, check_id FROM marts.billing_findings "
            "WHERE status = 'disagrees'"
        ).fetchall()
    assert set(found) == expected
    assert {check for _, _, check in expected} >= {"s0013_in_force", "esketamine_units"}


def flagged(folder: Path) -> set[tuple[str, ...]]:
    """Clinic, subject and signal of every flag, on lots, clinics and people."""
    query = "SELECT clinic_id, subject_id, signal FROM marts.risk_flags"
    with results(folder) as db:
        found = set(db.execute(f"{query} WHERE subject_kind <> 'patient'").fetchall())
    path = folder / "published" / "current" / "restricted" / "restricted.duckdb"
    with duckdb.connect(str(path), read_only=True) as db:
        return found | set(db.execute(query).fetchall())


def test_every_exact_risk_of_stock_and_staff_is_found_and_nothing_else(
    planted: tuple[Path, list[dict[str, str]]],
) -> None:
    folder, truth = planted
    exact = {signal.id for signal in risk().signals if signal.exact}
    expected = {
        (row["clinic_id"], row["subject_id"], row["rule_id"])
        for row in truth
        if row["kind"] == "risk" and row["subject_kind"] != "patient" and row["rule_id"] in exact
    }
    assert {flag for flag in flagged(folder) if flag[2] in exact} == expected
    assert {signal for _, _, signal in expected} >= {"lot-variance", "entries-off-shift"}


def test_a_clean_network_has_no_finding(tmp_path: Path) -> None:
    judged(tmp_path, clean=True)
    assert truth_of(tmp_path) == []
    with results(tmp_path) as db:
        assert db.execute(FOUND).fetchall() == []
        assert db.execute("SELECT count(*) FROM marts.subject_adherence").fetchone() != (0,)
        assert db.execute("SELECT * FROM marts.risk_scores WHERE level <> 'low'").fetchall() == []
    exact = {signal.id for signal in risk().signals if signal.exact}
    assert not [flag for flag in flagged(tmp_path) if flag[2] in exact]
