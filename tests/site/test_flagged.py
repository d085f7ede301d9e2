"""When a flag was: the clinic's local days, and none that its reason tells already."""

from __future__ import annotations

import duckdb
import pytest

from flows.reports.flagged import flagged

FLAGS = [
    # signal, reason, first and last instant (UTC), what stands beside the reason
    ("a-day-told", "fetched on 9 Oct 2026, 3 days early", "2026-10-10 04:30", "2026-10-10 04:30",
     ""),
    ("a-day-not-told", "given by 2 clinics", "2026-10-10 04:30", "2026-10-10 04:30", "9 Oct 2026"),
    ("several-days", "2 times, at last: on 9 Oct 2026", "2026-10-01 12:00", "2026-10-10 04:30",
     "1 Oct to 9 Oct 2026"),
    ("two-years", "2 times", "2025-12-31 12:00", "2026-01-02 12:00", "31 Dec 2025 to 2 Jan 2026"),
]  # fmt: skip


@pytest.fixture
def db() -> duckdb.DuckDBPyConnection:
    """One patient with those flags, at a clinic that is five hours behind UTC."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'; CREATE SCHEMA marts")
    db.execute(
        "CREATE TABLE marts.clinics AS SELECT 'c1' AS clinic_id, 'America/Chicago' AS time_zone"
    )
    db.execute(
        "CREATE TABLE marts.risk_scores AS SELECT 'c1' AS clinic_id, 'patient' AS subject_kind, "
        "'p1' AS subject_id, 4 AS score, 'low' AS level"
    )
    db.execute(
        "CREATE TABLE marts.risk_flags (clinic_id VARCHAR, subject_kind VARCHAR, "
        "subject_id VARCHAR, signal VARCHAR, points INT, reason VARCHAR, first_at TIMESTAMPTZ, "
        "last_at TIMESTAMPTZ)"
    )
    for signal, reason, first, last, _ in FLAGS:
        db.execute(
            "INSERT INTO marts.risk_flags VALUES ('c1', 'patient', 'p1', ?, 1, ?, ?, ?)",
            [signal, reason, f"{first}+00", f"{last}+00"],
        )
    return db


def test_a_flag_tells_its_local_days_once(db: duckdb.DuckDBPyConnection) -> None:
    (patient,) = flagged(db, "patient")["shown"]
    told = {flag["signal"]: flag["when"] for flag in patient["flags"]}
    assert told == {signal: when for signal, *_, when in FLAGS}
