"""Data quality: what came in, what was expected of it, what was kept out and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.contract import contracts
from flows.reports.deliveries import delivery_states, delivery_troubles, late_feeds
from flows.reports.queries import Row, grouped, rows

if TYPE_CHECKING:
    from flows.reports.site import Site

MOST, MOST_ROWS = 100, 400


def write(site: Site) -> None:
    """Write `quality.html`."""
    site.write(
        "quality.html",
        "quality.html.j2",
        states=delivery_states(site.db),
        troubles=delivery_troubles(site, MOST),
        feeds=_feeds(site),
        quarantine=_quarantine(site),
        checks=_checks(site),
        columns=_columns(site),
        foreign=rows(
            site.db, "SELECT system, table_name, file_name, rows, used, quarantined, "
            "coalesce(list_sum(map_values(skipped)), 0)::BIGINT AS skipped "
            f"FROM ops.foreign_rows ORDER BY ALL LIMIT {MOST_ROWS}",
        ),
        notes=rows(site.db, f"SELECT note FROM ops.notes ORDER BY note LIMIT {MOST}"),
        most=MOST,
        most_rows=MOST_ROWS,
    )  # fmt: skip


def _feeds(site: Site) -> list[Row]:
    """Each clinic's feeds: deliveries, the latest, rows, what is in quarantine; by clinic."""
    found = rows(
        site.db,
        "SELECT clinic_id, feed, count(*) AS files, "
        "count(*) FILTER (state = 'blocked') AS blocked, "
        "count(*) FILTER (state = 'partial') AS partial, "
        "max(delivered_at) FILTER (state IN ('accepted', 'partial')) AS latest, "
        "coalesce(sum(loaded + unchanged), 0)::BIGINT AS held, coalesce(any_value(q.open), 0) "
        "AS quarantined FROM ops.batches LEFT JOIN (SELECT clinic_id, feed, count(*) AS open "
        "FROM ops.quarantine WHERE released_run IS NULL GROUP BY ALL) q USING (clinic_id, feed) "
        "GROUP BY ALL ORDER BY clinic_id, feed",
    )
    late = {(row["clinic_id"], row["feed"]) for row in late_feeds(site)}
    for row in found:
        row["late"] = (row["clinic_id"], row["feed"]) in late
    order = list(contracts())
    by_clinic = grouped(found, "clinic_id")
    counted = [
        {"clinic_id": clinic_id, "feeds": sorted(mine, key=lambda row: order.index(row["feed"])),
         "late": sum(row["late"] for row in mine),
         "quarantined": sum(row["quarantined"] for row in mine),
         "blocked": sum(row["blocked"] for row in mine)}
        for (clinic_id,), mine in by_clinic.items()
    ]  # fmt: skip
    return site.by_name(counted)


def _quarantine(site: Site) -> list[Row]:
    """Rows still kept out, by clinic, feed and reason, with how many days the oldest has been."""
    at = site.run["as_of"].isoformat()
    found = rows(
        site.db,
        "SELECT clinic_id, feed, reason, count(*) AS rows, "
        f"max(date_diff('day', delivered_at, TIMESTAMPTZ '{at}')) AS days FROM "
        "(SELECT clinic_id, feed, delivered_at, unnest(reasons) AS reason FROM ops.quarantine "
        "WHERE released_run IS NULL) GROUP BY ALL "
        f"ORDER BY clinic_id, feed, rows DESC, reason LIMIT {MOST_ROWS}",
    )
    for row in found:
        row["column"], _, row["why"] = row["reason"].rpartition(": ")
    return site.by_name(found)


def _checks(site: Site) -> Row:
    """Expectations of each feed's latest delivery: how many held, and those that did not."""
    return {
        "feeds": rows(
            site.db, "SELECT feed, count(*) AS expectations, count(*) FILTER (success) AS held "
            "FROM ops.check_results GROUP BY ALL ORDER BY feed",
        ),
        "failed": rows(
            site.db, "SELECT feed, expectation_id, kind, column_name, severity, unexpected, "
            "evaluated FROM ops.check_results WHERE NOT success "
            f"ORDER BY unexpected DESC, feed, expectation_id LIMIT {MOST}",
        ),
    }  # fmt: skip


def _columns(site: Site) -> list[Row]:
    """How full each feed's columns are, over all clinics; a column nobody fills is told apart."""
    found = rows(
        site.db,
        "SELECT feed, column_name, sum(rows)::BIGINT AS rows, sum(filled)::BIGINT AS filled, "
        "sum(filled) / sum(rows) AS share, "
        "min_by(clinic_id, filled / rows) AS emptiest, min(filled / rows) AS least "
        "FROM ops.column_counts WHERE rows > 0 GROUP BY ALL ORDER BY feed, share, column_name",
    )
    by_feed = grouped(found, "feed")
    return [
        {"feed": feed, "rows": max(row["rows"] for row in mine),
         "columns": [row for row in mine if 0 < row["filled"] < row["rows"]],
         "empty": [row["column_name"] for row in mine if row["filled"] == 0],
         "full": sum(row["filled"] == row["rows"] for row in mine)}
        for (feed,), mine in by_feed.items()
    ]  # fmt: skip
