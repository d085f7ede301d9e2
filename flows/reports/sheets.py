"""The spreadsheet's lists: one table of the published run a sheet, and how its columns are shown.

Times are the clinic's local ones. What is longer than MOST_ROWS is cut, and says so: a spreadsheet
is read by people, and every row is in `results.duckdb`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "long", "count", "number", "share", "usd", "date", "time", "yes"]
Columns = tuple[tuple[str, Kind], ...]
MOST_ROWS = 10_000  # Excel takes 1,048,575, which cost minutes to write and are of no use there

_LOCAL = "timezone(c.time_zone, {}) AS {}"
_RULE = "JOIN marts.rules r USING (protocol, protocol_version, rule_id) "
_CLINIC = "LEFT JOIN marts.clinics c USING (clinic_id) "
_BY_SEVERITY = "CASE f.severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 ELSE 2 END"


@dataclass(frozen=True)
class Listing:
    """A sheet: its name, what a row is, its columns, and the SELECT that gives them in that order.

    `table` is where every row is.
    """

    name: str
    says: str
    columns: Columns
    select: str
    table: str


def _plain(name: str, says: str, table: str, order: str, columns: Columns) -> Listing:
    """A mart as it is, its columns under their own names."""
    names = ", ".join(column for column, _ in columns)
    titled = tuple((title(column), kind) for column, kind in columns)
    return Listing(name, says, titled, f"SELECT {names} FROM {table} ORDER BY {order}", table)


def title(column: str) -> str:
    """A column's name as a heading: `cost_per_session_usd` -> "Cost per session, USD"."""
    words = column.removesuffix("_usd").removesuffix("_id").replace("_", " ")
    return words[:1].upper() + words[1:] + (", USD" if column.endswith("_usd") else "")


FINDINGS = Listing(
    "Findings",
    "One row is one verdict that is neither met nor excluded: not met first, critical first, "
    "newest first.",
    (
        ("Finding", "text"), ("Status", "text"), ("Severity", "text"), ("Tier", "text"),
        ("Clinic", "text"), ("Kind", "text"), ("Subject", "text"), ("Patient", "text"),
        ("Local start", "time"), ("Protocol", "text"), ("Version", "text"), ("Rule", "long"),
        ("What was found", "long"), ("Observed", "number"), ("Waived", "yes"),
        ("First found in run", "text"),
    ),
    "SELECT f.finding_id, f.status, f.severity, f.tier, f.clinic_id, f.subject_kind, "
    f"f.subject_id, f.patient_id, {_LOCAL.format('f.started_at', 'started')}, f.protocol, "
    "f.protocol_version, r.title, f.reason, f.observed, f.waived, f.first_found_run "
    f"FROM marts.findings f {_CLINIC} {_RULE} ORDER BY CASE f.status WHEN 'not_met' THEN 0 "
    f"WHEN 'pending' THEN 1 ELSE 2 END, {_BY_SEVERITY}, f.waived, f.started_at DESC, f.finding_id",
    "marts.findings",
)  # fmt: skip

WORKLIST = Listing(
    "Worklist",
    "One row is one verdict that can still be met, the most urgent first.",
    (
        ("Due, local time", "time"), ("Severity", "text"), ("Clinic", "text"), ("Kind", "text"),
        ("Subject", "text"), ("Patient", "text"), ("Rule", "long"), ("What to do", "long"),
    ),
    f"SELECT {_LOCAL.format('f.due_at', 'due')}, f.severity, f.clinic_id, f.subject_kind, "
    f"f.subject_id, f.patient_id, f.title, f.action FROM marts.worklist f {_CLINIC} "
    "ORDER BY f.due_at, f.clinic_id, f.subject_id, f.rule_id",
    "marts.worklist",
)  # fmt: skip

OUTCOMES = _plain(
    "Outcomes",
    "One row is the mature courses of one clinic, protocol and programme that started in one "
    "local month. A course without an outcome, or without a baseline, did not respond.",
    "marts.outcome_cohorts", "month DESC, clinic_id, protocol, program, instrument",
    (
        ("month", "date"), ("clinic_id", "text"), ("protocol", "text"), ("program", "text"),
        ("instrument", "text"), ("courses_started", "count"), ("courses_without_outcome", "count"),
        ("courses_without_baseline", "count"), ("courses_below_minimum", "count"),
        ("responders", "count"), ("response_rate", "share"), ("response_low", "share"),
        ("response_high", "share"), ("remitters", "count"), ("remission_rate", "share"),
        ("remission_low", "share"), ("remission_high", "share"),
    ),
)  # fmt: skip

COST = _plain(
    "Cost",
    "One row is the sessions of one clinic, programme, payer and local month. Costs are of the "
    "sessions whose cost is known.",
    "marts.cost_monthly", "month DESC, clinic_id, program, payer_kind",
    (
        ("month", "date"), ("clinic_id", "text"), ("program", "text"), ("payer_kind", "text"),
        ("sessions", "count"), ("sessions_costed", "count"), ("cost_usd", "usd"),
        ("cost_per_session_usd", "usd"), ("compliant_sessions", "count"),
        ("cost_per_compliant_session_usd", "usd"), ("billed_usd", "usd"), ("allowed_usd", "usd"),
        ("payer_paid_usd", "usd"), ("patient_owed_usd", "usd"), ("patient_paid_usd", "usd"),
        ("margin_usd", "usd"), ("charges_answered", "count"), ("charges_denied_first", "count"),
        ("first_pass_denial_rate", "share"), ("days_to_submit", "number"),
        ("days_to_payment", "number"),
    ),
)  # fmt: skip

OPERATIONS = _plain(
    "Operations",
    "One row is one clinic, programme and local month. Open minutes are the whole clinic's, the "
    "same in each programme's row: never add them up.",
    "marts.operations_monthly", "month DESC, clinic_id, program",
    (
        ("month", "date"), ("clinic_id", "text"), ("program", "text"), ("booked", "count"),
        ("completed", "count"), ("aborted", "count"), ("no_show", "count"),
        ("cancelled_late", "count"), ("cancelled", "count"), ("unreconciled", "count"),
        ("chair_minutes", "number"), ("open_minutes", "number"), ("utilisation", "share"),
        ("waits", "count"), ("wait_minutes_median", "number"), ("observations", "count"),
        ("observation_minutes_median", "number"),
    ),
)  # fmt: skip

RISK = Listing(
    "Risk",
    "One row is one signal at one patient, lot or clinic that reached its threshold: a reason to "
    "look, not a verdict. Signals on staff are in none of the report's forms.",
    (
        ("Clinic", "text"), ("Kind", "text"), ("Subject", "text"), ("Score", "count"),
        ("Level", "text"), ("Signal", "long"), ("Tier", "text"), ("Points", "count"),
        ("Observed", "number"), ("Threshold", "number"), ("Compared with", "text"),
        ("Why", "long"), ("First, local time", "time"), ("Last, local time", "time"),
    ),
    "SELECT f.clinic_id, f.subject_kind, f.subject_id, s.score, s.level, f.title, f.tier, "
    f"f.points, f.observed, f.threshold, f.peers, f.reason, {_LOCAL.format('f.first_at', 'first')}"
    f", {_LOCAL.format('f.last_at', 'last')} FROM marts.risk_flags f "
    f"JOIN marts.risk_scores s USING (clinic_id, subject_kind, subject_id) {_CLINIC}"
    "WHERE f.subject_kind IN ('patient', 'lot', 'clinic') "
    "ORDER BY s.score DESC, f.clinic_id, f.subject_kind, f.subject_id, f.points DESC, f.signal",
    "marts.risk_flags",
)  # fmt: skip

DATA_QUALITY = Listing(
    "Data quality",
    "What was delivered and what was left out: deliveries by state, rows in quarantine by reason, "
    "expectations that failed in the latest run that brought the feed.",
    (
        ("What", "text"), ("Clinic", "text"), ("Feed", "text"), ("State or reason", "long"),
        ("Files", "count"), ("Rows", "count"), ("Of rows", "count"), ("Last delivery", "date"),
    ),
    "SELECT * FROM ("
    "SELECT 'delivery' AS what, clinic_id, feed, state, count(*) AS files, "
    "sum(rows)::BIGINT AS rows, NULL::BIGINT AS of_rows, "
    "max(coalesce(timezone('UTC', extract_at)::DATE, name_day)) AS last FROM ops.batches "
    "GROUP BY ALL UNION ALL "
    "SELECT 'quarantine', clinic_id, feed, replace(reason, '_', ' '), NULL, count(*), NULL, NULL "
    "FROM (SELECT clinic_id, feed, unnest(reasons) AS reason FROM ops.quarantine "
    "WHERE released_run IS NULL) GROUP BY clinic_id, feed, reason UNION ALL "
    "SELECT 'expectation', NULL, feed, replace(expectation_id, '_', ' '), NULL, unexpected, "
    "evaluated, NULL FROM ops.check_results WHERE NOT success) "
    "ORDER BY what, clinic_id, feed, state, rows",
    "ops.batches, ops.quarantine and ops.check_results",
)  # fmt: skip

LISTINGS = (FINDINGS, WORKLIST, OUTCOMES, COST, OPERATIONS, RISK, DATA_QUALITY)
