"""Clinics: all of them, and a page each with what is open there, protocol by protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports import trends
from flows.reports.breaches import MOST, newest_breaches
from flows.reports.links import page_of
from flows.reports.queries import Row, grouped
from flows.reports.rates import completeness, counted_rules, rule_rate

if TYPE_CHECKING:
    from flows.reports.site import Site

_ABOVE = (("index.html", "Overview"), ("clinics.html", "Clinics"))


def write(site: Site) -> None:
    """Write `clinics.html` and one page a clinic."""
    since, clinics = site.since, site.standing
    site.write("clinics.html", "clinics.html.j2", clinics=clinics, since=since)
    columns = "clinic_id, protocol, rule_id, title, severity, tier, target"
    rules = grouped(counted_rules(site.db, columns, since), "clinic_id")
    breaches = newest_breaches(site.db, "clinic_id")
    charts = trends.clinic_charts(site.db, site.clinics)
    for clinic in clinics:
        mine = rules[(clinic["clinic_id"],)]
        site.write(
            page_of("clinics", clinic["clinic_id"]),
            "clinic.html.j2",
            trail=_ABOVE,
            clinic=clinic,
            about=site.clinics[clinic["clinic_id"]],
            since=since,
            protocols=_by_protocol(mine),
            breaches=breaches[(clinic["clinic_id"],)],
            most=MOST,
            chart=charts[clinic["clinic_id"]],
        )


def _by_protocol(rules: list[Row]) -> list[Row]:
    """Rules with something to see (a miss, something that could not be judged), the worst first;
    how many others were always met."""
    found = []
    for (protocol,), mine in sorted(grouped(rules, "protocol").items()):
        judged = [row for row in mine if row["met"] + row["not_met"] + row["not_evaluable"]]
        telling = [row for row in judged if row["not_met"] or row["not_evaluable"]]
        for row in telling:
            row["rate"], row["completeness"] = rule_rate(row), completeness(row)
        telling.sort(key=lambda row: (-row["not_met"], row["rule_id"]))
        if judged:
            others = len(judged) - len(telling)
            found.append({"protocol": protocol, "rules": telling, "others": others})
    return found
