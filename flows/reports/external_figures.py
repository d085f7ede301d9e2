"""The figures for readers outside the network, with the people behind each, from published tables.

A patient is counted as a clinic knows them: one who is known to two clinics counts in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from flows.reports.queries import rows
from flows.suppression import Count, Sum, hidden

if TYPE_CHECKING:
    import duckdb

NETWORK = ("network", "")
# Who, (dimension, member), and what.
Cell = tuple[tuple[str, str], str]

# A session counts once, under all protocols that govern it, by the worst of its statuses.
_SESSIONS = """
SELECT clinic_id, patient_id, strftime(min(local_date), '%Y-%m') AS month,
    coalesce(min(program), '') AS program,
    CASE WHEN bool_or(status = 'non_compliant') THEN 'non_compliant'
         WHEN bool_or(status IN ('pending', 'incomplete')) THEN 'undecided'
         ELSE 'compliant' END AS figure
FROM marts.subject_adherence WHERE subject_kind = 'session'
GROUP BY clinic_id, subject_id, patient_id
"""
# A mature course on its protocol's primary scale; without a baseline or an outcome, or with a
# baseline below the scale's minimum, nobody can tell.
_COURSES = """
SELECT clinic_id, patient_id, protocol, coalesce(program, '') AS program,
    CASE response_at_induction_end WHEN true THEN 'responded' WHEN false THEN 'no_response'
         ELSE 'unknown' END AS figure
FROM marts.outcome_courses WHERE is_primary AND mature
"""


@dataclass(frozen=True)
class Table:
    """A table with what may be shown of it: `shown` has a count, or None where it is hidden."""

    name: str
    members: tuple[tuple[str, str], ...]
    figures: tuple[str, ...]
    shown: Mapping[Cell, int | None]


def sessions(db: duckdb.DuckDBPyConnection, small_cell: int) -> Table:
    """Judged sessions by clinic, programme and month."""
    figures = ("compliant", "non_compliant", "undecided")
    return _crossed(
        db, "sessions", _SESSIONS, ("clinic_id", "program", "month"), figures, small_cell
    )


def patients(db: duckdb.DuckDBPyConnection, small_cell: int) -> Table:
    """Patients with a judged session, by clinic."""
    select = f"SELECT DISTINCT clinic_id, patient_id, 'patients' AS figure FROM ({_SESSIONS})"
    return _crossed(db, "patients", select, ("clinic_id",), ("patients",), small_cell)


def courses(db: duckdb.DuckDBPyConnection, small_cell: int) -> Table:
    """Mature courses by clinic, protocol and programme: responded by the end of induction?"""
    figures = ("responded", "no_response", "unknown")
    return _crossed(
        db, "courses", _COURSES, ("clinic_id", "protocol", "program"), figures, small_cell
    )


def _crossed(
    db: duckdb.DuckDBPyConnection,
    name: str,
    select: str,
    dimensions: tuple[str, ...],
    figures: tuple[str, ...],
    small_cell: int,
) -> Table:
    """Rows counted by figure, for each member of each dimension and for the network, which is the
    sum of each dimension's members."""
    sets = ", ".join(
        group for one in (*dimensions, None) for group in
        ((f"({one}, figure)", f"({one})") if one else ("(figure)", "()"))
    )  # fmt: skip
    found = rows(
        db,
        f"SELECT {', '.join(f'{one}, grouping({one}) = 0 AS of_{one}' for one in dimensions)}, "
        "coalesce(figure, 'all') AS figure, count(*) AS value, "
        "count(DISTINCT (clinic_id, patient_id)) AS people "
        f"FROM ({select}) GROUP BY GROUPING SETS ({sets})",
    )
    counts: dict[Cell, Count] = {}
    for row in found:
        of = next((one for one in dimensions if row[f"of_{one}"]), None)
        member = (of, str(row[of])) if of else NETWORK
        counts[member, row["figure"]] = Count(row["value"], row["people"])
    members = (NETWORK, *sorted({who for who, _ in counts} - {NETWORK}))
    columns = (*figures, "all") if len(figures) > 1 else figures
    counts = {
        (who, what): counts.get((who, what), Count(0, 0)) for who in members for what in columns
    }
    sums = [
        Sum((NETWORK, what), tuple((who, what) for who in members if who[0] == one))
        for one in dimensions
        for what in columns
    ]
    if len(figures) > 1:
        sums += [Sum((who, "all"), tuple((who, what) for what in figures)) for who in members]
    return Table(name, members, columns, _shown(counts, sums, small_cell))


def rules(db: duckdb.DuckDBPyConnection, small_cell: int) -> Table:
    """How often each rule that decided anything was met, over the network.

    The published tables name the patients of what was not met; of what was met, the fewest there
    can be are counted.
    """
    found = rows(
        db,
        "SELECT protocol, protocol_version, rule_id, sum(met)::BIGINT AS met, "
        "sum(not_met)::BIGINT AS not_met, coalesce(any_value(missed), 0) AS missed "
        "FROM marts.rules JOIN marts.rule_monthly USING (protocol, protocol_version, rule_id) "
        "LEFT JOIN (SELECT protocol, protocol_version, rule_id, "
        "count(DISTINCT (clinic_id, patient_id)) AS missed FROM marts.findings "
        "WHERE status = 'not_met' GROUP BY ALL) USING (protocol, protocol_version, rule_id) "
        "GROUP BY ALL HAVING sum(met + not_met) > 0 ORDER BY ALL",
    )
    subjects: dict[tuple[str, str], list[int]] = {}
    for row in rows(
        db,
        "SELECT protocol, protocol_version, count(*) AS subjects FROM marts.subject_adherence "
        "GROUP BY protocol, protocol_version, clinic_id, patient_id",
    ):
        subjects.setdefault((row["protocol"], row["protocol_version"]), []).append(row["subjects"])
    shown: dict[Cell, int | None] = {}
    for row in found:
        version = (row["protocol"], row["protocol_version"])
        rule = ("rule", "/".join((*version, row["rule_id"])))
        of_each = subjects.get(version, [])
        met, missed = row["met"], row["not_met"]
        counts = {
            (rule, "met"): Count(met, fewest_people(met, of_each)),
            (rule, "not_met"): Count(missed, row["missed"]),
            (rule, "all"): Count(met + missed, fewest_people(met + missed, of_each)),
        }
        parts: tuple[Cell, ...] = ((rule, "met"), (rule, "not_met"))
        shown |= _shown(counts, [Sum((rule, "all"), parts)], small_cell)
    members = tuple(dict.fromkeys(who for who, _ in shown))
    return Table("rules", members, ("met", "not_met", "all"), shown)


def fewest_people(events: int, of_each: Iterable[int]) -> int:
    """The fewest people that so many events can be of, with so many of each at most."""
    if events == 0:
        return 0
    reached = accumulate(sorted(of_each, reverse=True))
    return 1 + sum(1 for total in reached if total < events)


def _shown(
    counts: Mapping[Cell, Count], sums: Iterable[Sum[Cell]], small_cell: int
) -> dict[Cell, int | None]:
    left_out = hidden(counts, tuple(sums), small_cell)
    return {cell: None if cell in left_out else count.value for cell, count in counts.items()}
