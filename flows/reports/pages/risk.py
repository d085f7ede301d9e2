"""Risk: patients, lots and clinics that something points at. Staff are in `restricted/` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.flagged import MOST, flagged
from flows.reports.queries import rows

if TYPE_CHECKING:
    from flows.reports.site import Site

KINDS = ("patient", "lot", "clinic")


def write(site: Site) -> None:
    """Write `risk.html`."""
    signals = rows(
        site.db,
        "SELECT signal, title, tier, any_value(points) AS points, count(*) AS flags, "
        "count(DISTINCT clinic_id) AS clinics FROM marts.risk_flags GROUP BY ALL "
        "ORDER BY flags DESC, signal",
    )
    lots = rows(
        site.db,
        "SELECT * FROM marts.lot_balance WHERE variance_mg <> 0 "
        f"ORDER BY abs(variance_mg) DESC, clinic_id, lot, drug LIMIT {MOST}",
    )
    (stock,) = rows(
        site.db, "SELECT count(*) AS lots, count(counted_at) AS counted, "
        "count(*) FILTER (variance_mg <> 0) AS off FROM marts.lot_balance",
    )  # fmt: skip
    site.write(
        "risk.html", "risk.html.j2", kinds=[flagged(site.db, kind) for kind in KINDS],
        signals=signals, lots=lots, stock=stock, most=MOST,
    )  # fmt: skip
