"""`results.duckdb`: a published run's tables, with pseudonyms where the warehouse has patients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from flows.runs import Run
from flows.sources import quoted
from flows.warehouse import Warehouse

# Staff and prescribers are shown in `restricted/` alone.
_SHOWN = "'patient', 'lot', 'clinic'"
_KNOWN = "JOIN ops.pseudonyms p USING (clinic_id, patient_id)"
# Tables of `marts` that name no patient and go out as they are, and what is left out of them.
_PLAIN = {
    "coverage": "*", "rule_monthly": "*", "rules": "* EXCLUDE (rule_no)", "protocols": "*",
    "outcome_cohorts": "*", "durability": "*", "cost_sessions": "* EXCLUDE (patient_id)",
    "cost_monthly": "*", "cost_cohorts": "*", "cost_no_shows": "*", "cost_missing": "*",
    "billing_findings": "* EXCLUDE (patient_id)", "operations_monthly": "*",
    "credentials_due": "*", "lot_balance": "*", "session_events": "*", "session_rules": "*",
    "vital_limits": "*",
}  # fmt: skip


# Tables of `marts` with a patient id, which is all that changes in them, and how they are sorted.
_OF_PATIENTS = {
    "outcome_courses": "clinic_id, protocol, course_started_at, patient_id, course, instrument, "
    "instrument_version",
    "suicidality_followup": "clinic_id, positive_at, outcome_id",
    "outcome_warnings": "clinic_id, administered_at, outcome_id",
    "cost_courses": "clinic_id, protocol, course_started_at, patient_id, course",
    "rems_forms_due": "due_on, clinic_id, session_id",
    "session_pages": "clinic_id, session_id",
    "patient_exposure": "clinic_id, patient_id, drug",
}
# Tables of `marts` whose subjects may be patients, and how they are sorted.
_OF_SUBJECTS = {
    "risk_flags": "clinic_id, subject_kind, subject_id, signal",
    "risk_scores": "score DESC, clinic_id, subject_kind, subject_id",
    "risk_observations": "clinic_id, subject_kind, subject_id, signal",
}


def write_results(warehouse: Warehouse, run: Run, path: Path) -> dict[str, int]:
    """Write the read-only tables; gives how many rows each has."""
    return write_tables(warehouse, path, _published(run))


def write_tables(warehouse: Warehouse, path: Path, selects: Mapping[str, str]) -> dict[str, int]:
    """Write a database of tables (`schema.table` to the SELECT that fills it); gives how many rows
    each has.
    """
    db = warehouse.db
    db.execute(f"ATTACH {quoted(str(path))} AS results")
    try:
        with warehouse.transaction():
            for schema in sorted({table.partition(".")[0] for table in selects}):
                db.execute(f"CREATE SCHEMA results.{schema}")
            for table, select in selects.items():
                db.execute(f"CREATE TABLE results.{table} AS {select}")
        counts = {table: _count(db, f"results.{table}") for table in selects}
    except BaseException:
        with suppress(duckdb.Error):  # the first failure is the one to tell
            db.execute("DETACH results")
        raise
    db.execute("DETACH results")
    return counts


def _published(run: Run) -> dict[str, str]:
    """Published table to the SELECT that fills it.

    Of a quarantined row the session is named only when there is such a session: in a row whose
    columns are shifted, anything may stand in its place. So it is with the header of a file that
    was not loaded. Results of checks are those of the latest run that brought their feed.
    """
    plain = {
        f"marts.{table}": f"SELECT {columns} FROM marts.{table} ORDER BY ALL"
        for table, columns in _PLAIN.items()
    }
    of_patients = {
        f"marts.{table}": "SELECT * EXCLUDE (pseudonym) REPLACE (pseudonym AS patient_id) "
        f"FROM marts.{table} {_KNOWN} ORDER BY {order}"
        for table, order in _OF_PATIENTS.items()
    }
    of_subjects = {
        f"marts.{table}": "SELECT t.* REPLACE (coalesce(p.pseudonym, t.subject_id) AS subject_id) "
        f"FROM marts.{table} t LEFT JOIN ops.pseudonyms p ON t.subject_kind = 'patient' "
        "AND p.clinic_id = t.clinic_id AND p.patient_id = t.subject_id "
        f"WHERE t.subject_kind IN ({_SHOWN}) ORDER BY {order}"
        for table, order in _OF_SUBJECTS.items()
    }
    return {
        "marts.findings": "SELECT * EXCLUDE (pseudonym) REPLACE (pseudonym AS patient_id) "
        f"FROM marts.findings {_KNOWN} ORDER BY clinic_id, started_at, subject_id, rule_id",
        "marts.subject_adherence": "SELECT * EXCLUDE (subject_no, pseudonym) "
        f"REPLACE (pseudonym AS patient_id) FROM marts.subjects {_KNOWN} "
        "ORDER BY clinic_id, started_at, subject_id, protocol",
        "marts.worklist": "SELECT clinic_id, subject_kind, subject_id, p.pseudonym AS patient_id, "
        "protocol, protocol_version, rule_id, r.title, f.due_at, r.asks AS action, f.severity "
        f"FROM marts.findings f {_KNOWN} "
        "JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
        f"WHERE f.status = 'pending' AND f.due_at > {quoted(run.as_of.isoformat())}::TIMESTAMPTZ "
        "ORDER BY f.due_at, clinic_id, subject_id, rule_id",
        **plain,
        **of_patients,
        **of_subjects,
        "marts.clinics": "SELECT clinic_id, name, time_zone, state, chairs FROM facts.clinics "
        "ORDER BY ALL",
        "ops.runs": f"SELECT * REPLACE (CASE WHEN run_id = {quoted(run.run_id)} "
        "THEN 'published' ELSE state END AS state) FROM ops.runs ORDER BY seq",
        "ops.batches": "SELECT * REPLACE (CASE WHEN state IN ('accepted', 'partial') "
        "THEN unknown_columns ELSE [] END AS unknown_columns) FROM ops.batches ORDER BY batch_no",
        "ops.check_results": "SELECT * FROM ops.check_results "
        "QUALIFY run_id = max(run_id) OVER (PARTITION BY feed) ORDER BY ALL",
        "ops.quarantine": "SELECT q.* EXCLUDE (key_id) "
        "REPLACE (p.pseudonym AS patient_id, s.session_id AS session_id) FROM ops.quarantine q "
        "LEFT JOIN ops.pseudonyms p "
        "ON p.clinic_id = q.clinic_id AND p.patient_id = q.patient_id "
        "LEFT JOIN (SELECT DISTINCT clinic_id, session_id FROM facts.sessions) s "
        "ON s.clinic_id = q.clinic_id AND s.session_id = q.session_id "
        "ORDER BY q.batch_no, q.row_number",
        "ops.column_counts": "SELECT clinic_id, feed, column_name, sum(c.rows)::BIGINT AS rows, "
        "sum(c.filled)::BIGINT AS filled FROM ops.column_counts c "
        "JOIN ops.batches b USING (batch_no) GROUP BY ALL ORDER BY ALL",
        "ops.foreign_rows": "SELECT * FROM ops.foreign_rows "
        "QUALIFY run_id = max(run_id) OVER () ORDER BY ALL",
        "ops.verdict_changes": "SELECT * FROM ops.verdict_changes",
        "ops.audit_log": "SELECT * FROM ops.audit_log ORDER BY entry_no",
        "ops.notes": f"SELECT * FROM ops.notes WHERE run_id = {quoted(run.run_id)} ORDER BY ALL",
    }


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def reading_results(warehouse: Warehouse, path: Path) -> Iterator[None]:
    """The published tables as the session's `marts` and `ops`, so that a report sees what readers
    see.
    """
    db = warehouse.db
    db.execute(f"ATTACH {quoted(str(path))} AS results (READ_ONLY)")
    db.execute("USE results")
    try:
        yield
    finally:
        db.execute("USE keel")
        db.execute("DETACH results")
