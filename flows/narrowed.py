"""A published run's tables for a report: all of them, or those of some clinics and days.

A narrowed table is a view over the published one, so that a report asks the same of both. What is
counted by month only (cost, operations, cohorts, coverage) is told by whole months; rates of rules
are counted anew from the published verdicts, day by day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from flows import __version__
from flows.errors import KeelError, UsageError
from flows.manifest import version_of
from flows.raw import NETWORK
from flows.sources import quoted
from protocols.extending import nearest

RESULTS = "results.duckdb"
# By which column a table is narrowed to days: local days, instants, or first days of months.
_DAYS = {"subject_adherence": "local_date", "cost_sessions": "local_date"}
_INSTANTS = {
    "findings": "started_at", "session_pages": "started_at", "suicidality_followup": "positive_at",
    "outcome_courses": "course_started_at", "cost_courses": "course_started_at",
    "outcome_warnings": "administered_at",
}  # fmt: skip
_MONTHS = ("coverage", "cost_monthly", "cost_cohorts", "cost_no_shows", "cost_missing",
           "operations_monthly", "outcome_cohorts")  # fmt: skip
# Of the whole network: no part of one clinic's report.
_OF_NETWORK = ("durability",)
_STATUSES = ("met", "not_met", "not_evaluable", "pending", "excluded")


@dataclass(frozen=True)
class Scope:
    """What a report is of; all of it where nothing is named. Days are local, both included."""

    clinics: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None

    @property
    def narrow(self) -> bool:
        return bool(self.clinics or self.since or self.until)

    @property
    def words(self) -> str:
        """For the head of each page; nothing for all of it."""
        said = [", ".join(self.clinics)] if self.clinics else []
        if self.since or self.until:
            start = f"from {self.since}" if self.since else ""
            end = f"to {self.until}" if self.until else ""
            said.append(" ".join(part for part in (start, end) if part))
            said.append("cost, operations and cohorts by whole months")
        return "; ".join(said)


@contextmanager
def published_tables(run: Path, scope: Scope) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tables of a published run's folder as `marts` and `ops`, narrowed to the scope.

    Raises KeelError when they cannot be read or are not what a report asks for, UsageError when a
    clinic of the scope is none.
    """
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        db.execute("SET enable_progress_bar = false")
        try:
            db.execute(f"ATTACH {quoted(str(run / RESULTS))} AS results (READ_ONLY)")
        except duckdb.Error:
            raise KeelError(
                f"{run / RESULTS}: cannot be read; publish a run anew with `keel nightly`."
            ) from None
        try:
            if scope.narrow:
                _check_clinics(db, scope)
                _narrow(db, run, scope)
            else:
                db.execute("USE results")
            yield db
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise KeelError(
                f"{run / RESULTS}: lacks a table or a column that a report of Keel {__version__} "
                f"needs (published by {version_of(run)}); publish anew with `keel nightly`, or "
                "write it with the Keel that published it."
            ) from error


def _check_clinics(db: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    known = [row[0] for row in db.execute("SELECT clinic_id FROM results.marts.clinics").fetchall()]
    for clinic in scope.clinics:
        if clinic not in known:
            raise UsageError(f"--clinic: {clinic} is no clinic of that run{nearest(clinic, known)}")


def _narrow(db: duckdb.DuckDBPyConnection, run: Path, scope: Scope) -> None:
    for schema in ("marts", "ops"):
        db.execute(f"CREATE SCHEMA IF NOT EXISTS memory.{schema}")
    tables = db.execute(
        "SELECT table_schema, table_name, list(column_name) FROM information_schema.columns "
        "WHERE table_catalog = 'results' GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    for schema, table, columns in tables:
        tests = [*_of_clinics(table, columns, scope), *_of_days(table, scope)]
        where = " AND ".join(tests) or "true"
        db.execute(
            f"CREATE VIEW memory.{schema}.{table} AS "
            f"SELECT * FROM results.{schema}.{table} t WHERE {where}"
        )
    if scope.since or scope.until:
        _count_rules(db, run)
    db.execute("USE memory")


def _of_clinics(table: str, columns: Sequence[str], scope: Scope) -> Iterator[str]:
    if not scope.clinics:
        return
    if "clinic_id" in columns:
        # What a network file brought is each clinic's.
        named = ", ".join(quoted(clinic) for clinic in (*scope.clinics, NETWORK))
        yield f"clinic_id IN ({named})"
    elif table in _OF_NETWORK:
        yield "false"


def _of_days(table: str, scope: Scope) -> Iterator[str]:
    if table in _DAYS:
        day = _DAYS[table]
    elif table in _INSTANTS:
        zone = "(SELECT time_zone FROM results.marts.clinics c WHERE c.clinic_id = t.clinic_id)"
        day = f"timezone({zone}, {_INSTANTS[table]})::DATE"
    elif table in _MONTHS:
        if scope.since:
            yield f"month >= date_trunc('month', DATE '{scope.since}')"
        if scope.until:
            yield f"month <= DATE '{scope.until}'"
        return
    else:
        return
    if scope.since:
        yield f"{day} >= DATE '{scope.since}'"
    if scope.until:
        yield f"{day} <= DATE '{scope.until}'"


def _count_rules(db: duckdb.DuckDBPyConnection, run: Path) -> None:
    """`rule_monthly` of the days chosen: only what is counted, rates follow from that."""
    files = quoted(str(run / "verdicts" / "**" / "*.parquet"))
    counts = ", ".join(f"count(*) FILTER (v.status = '{name}') AS {name}" for name in _STATUSES)
    db.execute("DROP VIEW memory.marts.rule_monthly")
    db.execute(
        "CREATE TABLE memory.marts.rule_monthly AS SELECT v.clinic_id, v.protocol, "
        "v.protocol_version, v.rule_id, date_trunc('month', s.local_date)::DATE AS month, "
        f"{counts}, count(*) FILTER (v.status = 'not_met' AND v.waived) AS waived "
        f"FROM read_parquet({files}, hive_partitioning = false) v "
        "JOIN memory.marts.subject_adherence s "
        "USING (clinic_id, subject_kind, subject_id, protocol, protocol_version) GROUP BY ALL"
    )
