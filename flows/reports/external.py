"""The report for readers outside the network: totals, no ids, and no count of few people.

One page and one CSV with the same figures. What is hidden, and why nobody can solve for it, is in
`flows.suppression`; shares are made only of counts that are shown, so they tell nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.intervals import wilson
from flows.reports import external_figures, queries
from flows.reports.external_figures import NETWORK, Table
from flows.reports.templating import environment
from flows.spreadsheets import write_csv

if TYPE_CHECKING:
    import duckdb

PAGE, FIGURES = "index.html", "figures.csv"
_HEADER = ("table", "dimension", "member", "figure", "count", "shown")


@dataclass(frozen=True)
class _Line:
    """One row of a table on the page: a member's counts, and a share of those that are shown."""

    dimension: str
    member: str
    counts: Mapping[str, int | None]
    share: float | None
    low: float | None
    high: float | None


def write_external(db: duckdb.DuckDBPyConnection, folder: Path, small_cell: int) -> None:
    """Write `index.html` and `figures.csv` into the folder from the published tables (schemas marts
    and ops). Counts of 1 to `small_cell - 1` patients are hidden, with whatever would tell them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        made.name: made
        for make in (external_figures.patients, external_figures.sessions,
                     external_figures.rules, external_figures.courses)
        for made in (make(db, small_cell),)
    }  # fmt: skip
    (folder / PAGE).write_text(_page(db, tables, small_cell), encoding="utf-8")
    write_csv(
        folder / FIGURES,
        _HEADER,
        (
            (table.name, dimension, member, figure, count, "false" if count is None else "true")
            for table in tables.values()
            for ((dimension, member), figure), count in table.shown.items()
        ),
    )


def _page(db: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], small_cell: int) -> str:
    patients = tables["patients"].shown
    return (
        environment()
        .get_template("external.html.j2")
        .render(
            run=queries.last_run(db),
            small_cell=small_cell,
            patients={who: count for (who, _), count in patients.items()},
            network=NETWORK,
            clinics={row["clinic_id"]: row["name"] for row in queries.clinic_names(db)},
            rules={
                f"{row['protocol']}/{row['protocol_version']}/{row['rule_id']}": row
                for row in queries.rule_titles(db)
            },
            sessions=_lines(tables["sessions"], "compliant", "non_compliant"),
            met=_lines(tables["rules"], "met", "not_met"),
            courses=_lines(tables["courses"], "responded", "no_response"),
        )
    )


def _lines(table: Table, good: str, bad: str) -> list[_Line]:
    """The table's rows, each with the share of `good` among both, where both are shown."""
    found = []
    for who in table.members:
        counts = {figure: table.shown[who, figure] for figure in table.figures}
        hits, misses = counts[good], counts[bad]
        share: tuple[Any, ...] = (None, None, None)
        if hits is not None and misses is not None and hits + misses:
            share = (hits / (hits + misses), *wilson(hits, hits + misses))
        found.append(_Line(*who, counts, *share))
    return found
