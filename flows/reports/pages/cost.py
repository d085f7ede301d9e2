"""Cost: what a session costs, what a compliant one does, what brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.queries import Row, rows
from flows.reports.rates import rate

if TYPE_CHECKING:
    from flows.reports.site import Site

_NAMES = ("sessions", "sessions_costed", "compliant_costed", "charges_pending", "charges_answered",
          "charges_denied_first")  # fmt: skip
_SUMS = (
    ", ".join(f"sum({name})::BIGINT AS {name}" for name in _NAMES)
    + ", sum(cost_usd) AS cost_usd, sum(payer_paid_usd) AS payer_paid_usd, "
    "sum(patient_paid_usd) AS patient_paid_usd, sum(margin_usd) AS margin_usd"
)


def write(site: Site) -> None:
    """Write `cost.html`."""
    (network,) = rows(site.db, f"SELECT {_SUMS} FROM marts.cost_monthly")
    parts = rows(
        site.db,
        "SELECT sum(drug_usd) AS drug, sum(waste_usd) AS waste, sum(staff_usd) AS staff, "
        "sum(room_usd) AS room, sum(supplies_usd) AS supplies, sum(overhead_usd) AS overhead, "
        "count(*) AS sessions FROM marts.cost_sessions WHERE cost_usd IS NOT NULL",
    )[0]
    site.write(
        "cost.html",
        "cost.html.j2",
        network=_ratios(network),
        parts=parts,
        months=[_ratios(row) for row in _by(site, "month")],
        programs=[_ratios(row) for row in _by(site, "program")],
        clinics=[_ratios(row) for row in site.by_name(_by(site, "clinic_id"))],
        payers=[_ratios(row) for row in _by(site, "payer_kind")],
        cohorts=_cohorts(site),
        no_shows=rows(
            site.db, "SELECT sum(no_shows)::BIGINT AS no_shows, sum(no_shows_costed)::BIGINT AS "
            "costed, sum(cost_usd) AS cost_usd FROM marts.cost_no_shows",
        )[0],
        missing=rows(
            site.db, "SELECT missing, sum(sessions)::BIGINT AS sessions, "
            "count(DISTINCT clinic_id) AS clinics FROM marts.cost_missing GROUP BY ALL "
            "ORDER BY sessions DESC, missing LIMIT 20",
        ),
        checks=rows(
            site.db, "SELECT check_id, title, tier, "
            "count(*) FILTER (status = 'disagrees') AS disagree, "
            "count(*) FILTER (status = 'not_evaluable') AS unknown, "
            "sum(billed_usd) FILTER (status = 'disagrees') AS billed_usd "
            "FROM marts.billing_findings GROUP BY ALL ORDER BY disagree DESC, check_id",
        ),
    )  # fmt: skip


def _by(site: Site, column: str) -> list[Row]:
    return rows(
        site.db,
        f"SELECT {column}, {_SUMS} FROM marts.cost_monthly GROUP BY ALL ORDER BY {column}",
    )


def _ratios(row: Row) -> Row:
    """Means of what is known, and the share of charges first denied."""
    cost, known = row["cost_usd"], row["sessions_costed"] or 0
    compliant, answered = row["compliant_costed"] or 0, row["charges_answered"] or 0
    left = {"not answered yet": row["charges_pending"] or 0}
    return {
        **row,
        "per_session": cost / known if known and cost is not None else None,
        "per_compliant": cost / compliant if compliant and cost is not None else None,
        "denied": rate(row["charges_denied_first"] or 0, answered, left),
    }


def _cohorts(site: Site) -> list[Row]:
    """Of mature courses whose cost is known, by protocol."""
    return rows(
        site.db,
        "SELECT protocol, sum(courses_started)::BIGINT AS courses, "
        "sum(courses_costed)::BIGINT AS costed, sum(responders_costed)::BIGINT AS responded, "
        "sum(remitters_costed)::BIGINT AS remitted, "
        "sum(cost_usd) / nullif(sum(responders_costed), 0) AS per_responder_usd, "
        "sum(cost_usd) / nullif(sum(remitters_costed), 0) AS per_remitter_usd "
        "FROM marts.cost_cohorts GROUP BY ALL ORDER BY protocol",
    )
