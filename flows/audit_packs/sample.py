"""A chart-audit sample: sessions drawn by a seed, with a worksheet each.

A session's place in the draw is the SHA-256 of seed, clinic and session, so that a seed gives the
same sample of the same sessions whatever their order, and a larger sample holds the smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.audit_packs.bundle import Bundle
from flows.audit_packs.page import worksheets_page
from flows.audit_packs.scope import Scope, Table, read
from flows.audit_packs.worksheets import charts, worksheet_rows
from flows.errors import UsageError
from flows.warehouse import Warehouse
from protocols.sampling import sample_sizes

WORKSHEETS = "worksheets.html"
# Judged sessions of the period, each once; the least rank is drawn first.
_DRAW = """
WITH judged AS (
    SELECT subject_id AS session_id, min(local_date) AS local_date FROM marts.subjects
    WHERE clinic_id = $clinic AND subject_kind = 'session'
        AND local_date BETWEEN $first AND $last GROUP BY ALL)
SELECT strftime(local_date, '%Y-%m') AS month, local_date, session_id
FROM judged ORDER BY sha256(concat_ws(chr(31), $seed, $clinic, session_id)), session_id
"""
_UNJUDGED = """
SELECT count(*) AS sessions FROM marts.governance WHERE clinic_id = $clinic AND NOT judged
AND month BETWEEN date_trunc('month', $first) AND $last
"""


def sample_bundle(warehouse: Warehouse, scope: Scope, seed: int, size: int | None) -> Bundle:
    """Draw `size` sessions of the period, or of each month as many as `sample_sizes` says.

    Raises UsageError when no session was judged in the period.
    """
    drawn = read(warehouse, scope, "", "", "", _DRAW, seed=str(seed))
    if not drawn.rows:
        raise UsageError(
            f"--from, --to: no session of {scope.clinic_id} was judged from {scope.first} to "
            f"{scope.last}; choose another period."
        )
    chosen, strata = _chosen(drawn.rows, size)
    sheets = charts(warehouse, scope, [session for _, _, session in chosen])
    sizes = sample_sizes()
    how = (
        f"A fixed number: {size:,} of the whole period."
        if size is not None
        else f"Of each month as many as its number of sessions asks for ({sizes.citation})."
    )
    (unjudged,) = read(warehouse, scope, "", "", "", _UNJUDGED).rows[0]
    about = f"{scope.clinic_name} ({scope.clinic_id}), run {scope.run_id}, seed {seed}"
    return Bundle(
        kind="sample",
        title="Chart-audit sample",
        scope=scope,
        notes=[
            f"Seed {seed}. {how} The same seed and run give the same sample.",
            f"Drawn from the sessions that Keel judged; {unjudged:,} completed or aborted sessions "
            "of the period's months were not judged and cannot be drawn.",
            f"Print {WORKSHEETS}: a worksheet a chart, with blanks for the auditor; "
            "worksheet.csv has the same lines.",
        ],
        tables=[
            Table("months", "Months", "One local month: sessions judged, and drawn.",
                  ("month", "judged", "drawn"), strata),
            Table("charts", "Charts to pull", "One session that was drawn.",
                  ("chart", "session_id", "patient", "local_date", "program", "prescriber_id"),
                  [(sheet.number, sheet.session_id, sheet.patient, sheet.local_date, sheet.program,
                    sheet.prescriber_id) for sheet in sheets]),
            Table("worksheet", "Worksheet", "One fact or verdict to check in a chart; the last "
                  "three columns are the auditor's.",
                  ("chart", "session_id", "part", "item", "keel_has", "chart_has", "agrees",
                   "note"), worksheet_rows(sheets), shown=False),
        ],
        texts={WORKSHEETS: worksheets_page("Chart-audit worksheets", sheets, about)},
        about={"seed": seed, "size": size, "drawn": len(chosen)},
    )  # fmt: skip


def _chosen(
    ranked: Sequence[tuple[Any, ...]], size: int | None
) -> tuple[list[tuple[Any, ...]], list[tuple[str, int, int]]]:
    """The sessions drawn, by date, and how many of each month; `ranked`: month, date, session."""
    population: dict[str, int] = {}
    for month, _, _ in ranked:
        population[month] = population.get(month, 0) + 1
    if size is not None:
        chosen = list(ranked[:size])
    else:
        sizes = sample_sizes()
        left = {month: sizes.of(count) for month, count in population.items()}
        chosen = []
        for row in ranked:
            if left[row[0]]:
                left[row[0]] -= 1
                chosen.append(row)
    drawn = [row[0] for row in chosen]
    strata = [(month, population[month], drawn.count(month)) for month in sorted(population)]
    return sorted(chosen, key=lambda row: row[1:]), strata
