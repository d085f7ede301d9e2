"""The figures that every form of the report states: what HTML, XLSX and PDF must say alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from flows.reports import queries

if TYPE_CHECKING:
    import duckdb

Form = Literal["share", "count"]
# Upper ends, in days, of the ages by which open critical breaches are told.
AGE_BANDS = (7, 30, 90)


@dataclass(frozen=True)
class Figure:
    """One figure: a count, or a share with its numerator, denominator and 95 % limits.

    `value` is None for a share of nothing.
    """

    name: str
    form: Form
    value: float | None
    note: str
    numerator: int | None = None
    denominator: int | None = None
    low: float | None = None
    high: float | None = None


def headline(db: duckdb.DuckDBPyConnection) -> list[Figure]:
    """The network in a few figures, from the published tables."""
    seen = queries.overview(db)
    (more,) = queries.rows(
        db,
        "SELECT (SELECT count(*) FROM marts.worklist) AS worklist, "
        "(SELECT count(*) FROM marts.findings WHERE status = 'not_met' AND waived) AS waived, "
        "(SELECT count(*) FROM marts.rems_forms_due WHERE status = 'overdue') AS forms, "
        "(SELECT count(*) FROM ops.batches WHERE state = 'partial') AS partial",
    )
    decided = seen["compliant"] + seen["non_compliant"]
    apart = (
        f"Not in it: {seen['pending']:,} pending, {seen['incomplete']:,} incomplete, "
        f"{seen['not_dosed']:,} aborted before a dose, {seen['uncovered']:,} that no protocol "
        "governs."
    )
    return [
        Figure("Compliant sessions", "share", seen["share"], apart, seen["compliant"], decided,
               seen["low"], seen["high"]),
        Figure("Decided among judged sessions", "share",
               decided / seen["judged"] if seen["judged"] else None,
               "The rest is pending or incomplete.", decided, seen["judged"]),
        Figure("Critical rules not met", "count", seen["critical"], "Waived ones left out."),
        Figure("Major rules not met", "count", seen["major"], "Waived ones left out."),
        Figure("Minor rules not met", "count", seen["minor"], "Waived ones left out."),
        Figure("Waived findings", "count", more["waived"], "Not met, and someone answered for it."),
        Figure("Can still be met", "count", more["worklist"], "See the worklist."),
        Figure("REMS forms overdue", "count", more["forms"], "Not sent in time, nor since."),
        Figure("Rows in quarantine", "count", seen["quarantined"],
               f"{more['partial']:,} of {seen['batches']:,} deliveries are partial."),
        Figure("Deliveries blocked", "count", seen["blocked"],
               "What they hold is missing from every figure."),
    ]  # fmt: skip


def age_names() -> list[str]:
    """The age bands in words; the last is of breaches without a charted start."""
    words = [f"up to {AGE_BANDS[0]} days"]
    words += [f"{low + 1} to {high} days" for low, high in pairwise(AGE_BANDS)]
    return [*words, f"over {AGE_BANDS[-1]} days", "no start charted"]


def critical_by_age(db: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Open critical breaches (not met, not waived) by the days from their start to as_of."""
    counts = critical_of_clinics(db).values()
    network = [sum(column) for column in zip(*counts, strict=True)] if counts else []
    return list(zip(age_names(), network or [0] * len(age_names()), strict=True))


def critical_of_clinics(db: duckdb.DuckDBPyConnection) -> dict[str, list[int]]:
    """The same of each clinic that has any: a count for each of `age_names`."""
    band = "".join(f" WHEN age <= {end} THEN {at}" for at, end in enumerate(AGE_BANDS))
    found = queries.rows(
        db,
        "SELECT clinic_id, "
        f"CASE WHEN age IS NULL THEN {len(AGE_BANDS) + 1}{band} ELSE {len(AGE_BANDS)} END "
        "AS band, count(*) AS findings FROM (SELECT clinic_id, date_diff('day', "
        "timezone('UTC', started_at)::DATE, (SELECT timezone('UTC', as_of)::DATE FROM ops.runs "
        "ORDER BY seq DESC LIMIT 1)) AS age "
        "FROM marts.findings WHERE status = 'not_met' AND severity = 'critical' AND NOT waived) "
        "GROUP BY ALL ORDER BY ALL",
    )
    counts: dict[str, list[int]] = {}
    for row in found:
        mine = counts.setdefault(row["clinic_id"], [0] * len(age_names()))
        mine[row["band"]] = row["findings"]
    return counts
