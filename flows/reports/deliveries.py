"""Deliveries that went wrong: blocked, partial and late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.contract import contracts
from flows.reports.queries import Row, rows

if TYPE_CHECKING:
    import duckdb

    from flows.reports.site import Site


def delivery_states(db: duckdb.DuckDBPyConnection) -> list[Row]:
    """Files and what became of their rows, by state."""
    return rows(
        db, "SELECT state, count(*) AS files, coalesce(sum(rows), 0)::BIGINT AS rows, "
        "coalesce(sum(loaded), 0)::BIGINT AS loaded, "
        "coalesce(sum(unchanged), 0)::BIGINT AS unchanged, "
        "coalesce(sum(quarantined), 0)::BIGINT AS quarantined "
        "FROM ops.batches GROUP BY ALL ORDER BY state",
    )  # fmt: skip


def delivery_troubles(site: Site, most: int) -> Row:
    """`blocked`, `partial` and `late`, each with how many in all and the first of them."""
    found: Row = {}
    for state in ("blocked", "partial"):
        listed = rows(
            site.db,
            "SELECT clinic_id, feed, path, reason, rows, quarantined, delivered_at "
            f"FROM ops.batches WHERE state = '{state}' "
            "ORDER BY delivered_at DESC NULLS LAST, batch_no DESC",
        )
        found[state] = {"count": len(listed), "first": listed[:most]}
    late = late_feeds(site)
    found["late"] = {"count": len(late), "first": late[:most]}
    return found


def late_feeds(site: Site) -> list[Row]:
    """Clinics' feeds whose latest loaded delivery is older than their contract expects."""
    allowed = {
        feed: expectation.parameters["most_days"]
        for feed, held in contracts().items()
        for expectation in held.expectations
        if expectation.kind == "freshness"
    }
    days = ", ".join(f"('{feed}', {most})" for feed, most in allowed.items())
    at = site.run["as_of"].isoformat()
    return rows(
        site.db,
        "SELECT b.clinic_id, b.feed, max(delivered_at) AS delivered_at, most_days, "
        f"date_diff('day', max(delivered_at), TIMESTAMPTZ '{at}') AS days "
        f"FROM ops.batches b JOIN (VALUES {days}) allowed(feed, most_days) USING (feed) "
        "WHERE state IN ('accepted', 'partial') GROUP BY ALL "
        f"HAVING max(delivered_at) < TIMESTAMPTZ '{at}' - to_days(most_days::INTEGER) "
        "ORDER BY days DESC, b.clinic_id, b.feed",
    )
