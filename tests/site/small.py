"""A few rows of each published table that the report's queries read, made by hand."""

from __future__ import annotations

from typing import Any

import duckdb

AS_OF = "2026-11-04 12:00:00+00"  # a Wednesday
_RULES = """
CREATE TABLE marts.protocols AS FROM (VALUES
    ('p', '1', DATE '2020-01-01'), ('p', '2', DATE '2026-01-01'))
    t(protocol, protocol_version, effective_from);
CREATE TABLE marts.rules AS FROM (VALUES
    ('p', '1', 'crit', 'Old name', 'critical', 1.0),
    ('p', '2', 'crit', 'Critical', 'critical', 1.0),
    ('p', '2', 'chance', 'By chance', 'major', 0.95), ('p', '2', 'low', 'Low', 'major', 0.95),
    ('p', '2', 'free', 'No target', 'minor', NULL))
    t(protocol, protocol_version, rule_id, title, severity, target);
ALTER TABLE marts.rules ADD COLUMN tier VARCHAR DEFAULT 'T4';
"""
_TABLES = f"""
CREATE SCHEMA marts; CREATE SCHEMA ops;
CREATE TABLE ops.runs AS FROM (VALUES
    (1, 'run1', 'published', TIMESTAMPTZ '2026-11-03 12:00:00+00'),
    (2, 'run2', 'published', TIMESTAMPTZ '{AS_OF}')) t(seq, run_id, state, as_of);
CREATE TABLE marts.subject_adherence (clinic_id VARCHAR, subject_id VARCHAR,
    subject_kind VARCHAR, local_date DATE, status VARCHAR);
CREATE TABLE marts.rule_monthly (clinic_id VARCHAR, protocol VARCHAR, protocol_version VARCHAR,
    rule_id VARCHAR, month DATE, met BIGINT, not_met BIGINT, waived BIGINT DEFAULT 0,
    not_evaluable BIGINT DEFAULT 0, pending BIGINT DEFAULT 0, excluded BIGINT DEFAULT 0);
CREATE TABLE marts.findings (finding_id VARCHAR, clinic_id VARCHAR, subject_kind VARCHAR,
    subject_id VARCHAR, session_id VARCHAR, protocol VARCHAR, protocol_version VARCHAR,
    rule_id VARCHAR, severity VARCHAR, status VARCHAR, reason VARCHAR, waived BOOLEAN,
    started_at TIMESTAMPTZ, first_found_run VARCHAR);
CREATE TABLE ops.verdict_changes (run_id VARCHAR, status_before VARCHAR, status_after VARCHAR,
    cause VARCHAR);
CREATE TABLE marts.worklist (clinic_id VARCHAR, subject_kind VARCHAR, subject_id VARCHAR,
    protocol VARCHAR, rule_id VARCHAR, title VARCHAR, severity VARCHAR, action VARCHAR,
    due_at TIMESTAMPTZ);
CREATE TABLE ops.batches (clinic_id VARCHAR, feed VARCHAR, state VARCHAR,
    delivered_at TIMESTAMPTZ);
{_RULES}
"""


def tables() -> duckdb.DuckDBPyConnection:
    """The tables, empty but for two runs and two versions of a protocol."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute(_TABLES)
    return db


def add(db: duckdb.DuckDBPyConnection, table: str, **values: Any) -> None:
    """One row; what is not given is null, or the column's default."""
    marks = ", ".join("?" for _ in values)
    db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])


def finding(db: duckdb.DuckDBPyConnection, name: str, **values: Any) -> None:
    """A critical breach of clinic c1 that nobody waived, but for `values`."""
    usual = {
        "finding_id": name, "clinic_id": "c1", "subject_kind": "session", "subject_id": name,
        "session_id": name, "protocol": "p", "protocol_version": "2", "rule_id": "crit",
        "severity": "critical", "status": "not_met", "reason": "so", "waived": False,
        "started_at": "2026-11-01 12:00:00+00", "first_found_run": "run1",
    }  # fmt: skip
    add(db, "marts.findings", **{**usual, **values})
