"""Page one: is the network all right, what changed, where to look first, what can be saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.changes import last_month, last_night
from flows.reports.deliveries import delivery_troubles
from flows.reports.figures import age_names, critical_by_age, critical_of_clinics
from flows.reports.queries import Row, overview, protocols, rows
from flows.reports.rates import rate
from flows.reports.verdicts import ORDER, network_answer, without_target

if TYPE_CHECKING:
    from flows.reports.site import Site

MOST = {"clinics": 40, "worklist": 12, "places": 5, "untargeted": 3, "troubles": 8}


def write(site: Site) -> None:
    """Write `index.html`."""
    clinics = site.standing
    shown = sorted(clinics, key=lambda row: ORDER[row["verdict"]["mark"]])[: MOST["clinics"]]
    names = {row["clinic_id"] for row in shown}
    whole = overview(site.db)
    due = worklist(site, MOST["worklist"])
    site.write(
        "index.html",
        "front.html.j2",
        since=site.since,
        answer=network_answer(row["verdict"] for row in clinics),
        overview=whole,
        compliance=_compliance(whole),
        clinics=[row for row in clinics if row["clinic_id"] in names],
        more_clinics=len(clinics) - len(shown),
        places=places(site.targeted)[: MOST["places"]],
        untargeted=without_target(site.db, site.since)[: MOST["untargeted"]],
        worklist=due,
        saved=rows(site.db, "SELECT count(*) AS due FROM marts.worklist")[0]["due"],
        night=last_night(site.db),
        month=last_month(site.db),
        ages=critical_ages(site),
        age_names=age_names(),
        troubles=delivery_troubles(site, MOST["troubles"]),
        protocols=protocols(site.db),
        audit=audit_head(site),
        chart=site.network_chart,
    )


def _compliance(whole: Row) -> Row:
    left = {
        "pending": whole["pending"], "incomplete": whole["incomplete"],
        "stopped before a dose": whole["not_dosed"],
        "not covered by a protocol": whole["uncovered"],
    }  # fmt: skip
    return rate(whole["compliant"], whole["compliant"] + whole["non_compliant"], left)


def places(rules: list[Row]) -> list[Row]:
    """Where to look first: rules below their target beyond chance, critical ones first, then by how
    many sessions would have to be met to reach it."""
    below = [row for row in rules if row["gap"] == "below"]
    severities = ("critical", "major", "minor")
    return sorted(
        below,
        key=lambda row: (
            severities.index(row["severity"]),
            row["rate"]["hits"] - row["target"] * row["rate"]["trials"],
            row["clinic_id"], row["rule_id"],
        ),
    )  # fmt: skip


def worklist(site: Site, most: int) -> list[Row]:
    """What can still be met, soonest first."""
    return rows(
        site.db,
        "SELECT clinic_id, subject_kind, subject_id, protocol, rule_id, title, severity, action, "
        "due_at FROM marts.worklist ORDER BY due_at, clinic_id, subject_id, rule_id "
        f"LIMIT {most}",
    )


def critical_ages(site: Site) -> list[Row]:
    """Critical breaches that nobody waived, by the age of what was done: all clinics together, then
    each; of many those with the newest."""
    counts = critical_of_clinics(site.db)
    newest = sorted(counts, key=lambda clinic_id: counts[clinic_id], reverse=True)
    shown = set(newest[: MOST["clinics"]])
    return [
        {"clinic_id": None, "counts": [count for _, count in critical_by_age(site.db)]},
        *({"clinic_id": c, "counts": counts[c]} for c in site.clinics if c in shown),
    ]


def audit_head(site: Site) -> Row | None:
    """The audit log's last entry: whoever keeps its hash can tell that nothing before it moved."""
    found = rows(
        site.db, "SELECT entry_no, entry_hash FROM ops.audit_log ORDER BY entry_no DESC LIMIT 1"
    )
    return found[0] if found else None
