"""The report for operations leads and quality teams: one file, no scripts, nothing from the web."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from flows.reports import charts, queries

if TYPE_CHECKING:
    import duckdb


def write_html(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write `index.html` into the folder from the published tables (schemas marts and ops)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(render(db), encoding="utf-8")


def render(db: duckdb.DuckDBPyConnection) -> str:
    """The report's text: the same tables give the same bytes."""
    clinics = queries.by_clinic(db)
    months = queries.by_month(db)
    found = queries.findings(db)
    overview = queries.overview(db)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            run=queries.last_run(db),
            overview=overview,
            clinics=clinics,
            rules=queries.by_rule(db),
            findings=found,
            not_met=overview["critical"] + overview["major"] + overview["minor"],
            not_judged=queries.not_judged(db),
            deliveries=queries.deliveries(db),
            protocols=queries.protocols(db),
            trend=Markup(charts.trend(months)),  # noqa: S704  (drawn by us, text escaped by Vega)
            by_clinic=Markup(charts.clinics(clinics)),  # noqa: S704
            months=months,
        )
    )


def environment() -> Environment:
    """Where the templates of all reports live: what they are given is text, never markup."""
    made = Environment(
        loader=PackageLoader("flows.reports"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"percent": percent, "number": number, "shade": shade}
    return made


def percent(share: float | None) -> str:
    """A share as whole per cent; a miss never rounds up to 100, nor a hit down to 0."""
    if share is None:
        return "–"
    rounded = round(share * 100)
    if rounded == 100 and share < 1:
        return f"{int(share * 1000) / 10:.1f} %"
    if rounded == 0 and share > 0:
        return "<1 %"
    return f"{rounded} %"


def number(value: int) -> str:
    """A count with thousands marked."""
    return f"{value:,}"


def shade(row: dict[str, Any]) -> str:
    """A rate's class: what is certainly low stands out, a small sample does not."""
    if row["share"] is None:
        return "none"
    if row["high"] < 0.8 or row["share"] < 0.7:
        return "low"
    return "mid" if row["share"] < 0.95 else "high"
