"""Operations: bookings, chairs, waits, and what falls due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.queries import Row, rows
from flows.reports.rates import rate

if TYPE_CHECKING:
    from flows.reports.site import Site

MOST_DUE = 60
_COUNTS = ("booked", "completed", "aborted", "no_show", "cancelled_late", "cancelled",
           "unreconciled", "awaiting_delivery", "upcoming")  # fmt: skip
_SUMS = (
    ", ".join(f"sum({name})::BIGINT AS {name}" for name in _COUNTS)
    + ", sum(chair_minutes) AS chair_minutes, "
    "sum(wait_minutes_median * waits) / nullif(sum(waits), 0) AS wait_minutes, "
    "sum(observation_minutes_median * observations) / nullif(sum(observations), 0) "
    "AS observation_minutes"
)


def write(site: Site) -> None:
    """Write `operations.html`."""
    (network,) = rows(site.db, f"SELECT {_SUMS} FROM marts.operations_monthly")
    site.write(
        "operations.html",
        "operations.html.j2",
        network=_rates(network),
        months=[_rates(row) for row in _by(site, "month")],
        clinics=[_rates(row) for row in site.by_name(_by(site, "clinic_id"))],
        programs=[_rates(row) for row in _by(site, "program")],
        forms=_due(site, "rems_forms_due", "due_on, clinic_id, session_id"),
        credentials=_due(site, "credentials_due", "expires_on, clinic_id, staff_id, credential"),
        most=MOST_DUE,
    )


def _by(site: Site, column: str) -> list[Row]:
    """Counts by a column. Open minutes are the whole clinic's in each programme's row of a month,
    and count once."""
    found = rows(
        site.db, f"SELECT {column}, {_SUMS} FROM marts.operations_monthly GROUP BY ALL "
        f"ORDER BY {column} NULLS LAST",
    )  # fmt: skip
    if column == "program":
        return found
    used = rows(
        site.db,
        f"SELECT {column}, sum(chair_minutes) / sum(open_minutes) AS utilisation FROM ("
        "SELECT clinic_id, month, sum(chair_minutes) AS chair_minutes, max(open_minutes) "
        "AS open_minutes FROM marts.operations_monthly WHERE open_minutes > 0 GROUP BY ALL) "
        "GROUP BY ALL",
    )
    shares = {row[column]: row["utilisation"] for row in used}
    return [{**row, "utilisation": shares.get(row[column])} for row in found]


def _rates(row: Row) -> Row:
    """Shares of what was booked and is decided."""
    ended = sum(row[name] or 0 for name in ("completed", "aborted", "no_show", "cancelled_late"))
    left = {
        "still scheduled": row["unreconciled"] or 0,
        "not delivered yet": row["awaiting_delivery"] or 0, "to come": row["upcoming"] or 0,
    }  # fmt: skip
    return {**row, "no_shows": rate(row["no_show"] or 0, ended, left),
            "late": rate(row["cancelled_late"] or 0, ended)}  # fmt: skip


def _due(site: Site, table: str, order: str) -> Row:
    """What is overdue and what falls due, the oldest first."""
    (count,) = rows(
        site.db, f"SELECT count(*) AS due, count(*) FILTER (days_left < 0) AS overdue "
        f"FROM marts.{table}",
    )  # fmt: skip
    first = rows(site.db, f"SELECT * FROM marts.{table} ORDER BY {order} LIMIT {MOST_DUE}")
    return {**count, "first": first}
