"""Protocols: all of them, a page each with its rules, and a page for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flows.reports import trends
from flows.reports.breaches import MOST, newest_breaches, undecided
from flows.reports.charts import Chart, nothing
from flows.reports.links import page_of
from flows.reports.periods import MOST_PERIODS
from flows.reports.queries import Row, grouped, protocols, rows
from flows.reports.rates import completeness, counted_rules, rate, rule_rate
from flows.reports.standing import rule_rows, worst_first
from flows.reports.words import day

if TYPE_CHECKING:
    from flows.reports.site import Site

_ABOVE = (("index.html", "Overview"), ("protocols.html", "Protocols"))
# A chart costs a twentieth of a second: the rules most often missed in so many months get one.
MOST_CHARTS, RECENT_MONTHS = 24, 6


def write(site: Site) -> None:
    """Write `protocols.html`, one page a protocol and one page a rule."""
    rules = rule_rows(site.db)
    versions = grouped(protocols(site.db), "protocol")
    counts = _subjects(site)
    listed = [
        {**mine[-1], "versions": mine, "subjects": counts.get(protocol, rate(0, 0))}
        for (protocol,), mine in versions.items()
    ]
    listed.sort(key=lambda row: (row["title"], row["protocol"]))
    site.write("protocols.html", "protocols.html.j2", protocols=listed)
    by_protocol = grouped(rules, "protocol")
    for protocol in listed:
        site.write(
            page_of("protocols", protocol["protocol"]),
            "protocol.html.j2",
            trail=_ABOVE,
            protocol=protocol,
            rules=worst_first(by_protocol[(protocol["protocol"],)]),
            chart=site.protocol_charts[protocol["protocol"]],
        )
    _write_rules(site, rules, {row["protocol"]: row for row in listed})


def _subjects(site: Site) -> dict[str, Row]:
    """Each protocol's rate of compliant subjects, with those undecided left out."""
    found = rows(
        site.db,
        "SELECT protocol, count(*) FILTER (status IN ('compliant', 'minor_misses')) AS good, "
        "count(*) FILTER (status = 'non_compliant') AS bad, "
        "count(*) FILTER (status = 'pending') AS pending, "
        "count(*) FILTER (status = 'incomplete') AS incomplete "
        "FROM marts.subject_adherence GROUP BY ALL",
    )
    return {
        row["protocol"]: rate(
            row["good"], row["good"] + row["bad"],
            {"pending": row["pending"], "incomplete": row["incomplete"]},
        )
        for row in found
    }  # fmt: skip


def _write_rules(site: Site, rules: list[Row], known: dict[str, Row]) -> None:
    of_clinics = grouped(counted_rules(site.db, "protocol, rule_id, clinic_id"),
                         "protocol", "rule_id")  # fmt: skip
    months = site.rule_months
    drawn = _worth_drawing(months)
    breaches = newest_breaches(site.db, "protocol", "rule_id")
    reasons = undecided(site.db, "protocol", "rule_id")
    for rule in rules:
        key = (rule["protocol"], rule["rule_id"])
        protocol = known[rule["protocol"]]
        above = (page_of("protocols", rule["protocol"]), protocol["title"])
        site.write(
            page_of("rules", *key),
            "rule.html.j2",
            trail=(*_ABOVE, above),
            rule=rule,
            protocol=protocol,
            clinics=_clinics(site, of_clinics[key]),
            breaches=breaches[key],
            reasons=reasons[key],
            most=MOST,
            chart=_chart(rule, months.get(key, []), drawn),
        )


def _clinics(site: Site, found: list[Row]) -> list[Row]:
    """The rule at each clinic where it applied, in order of the clinics' names."""
    by_clinic = {row["clinic_id"]: row for row in found}
    applied = []
    for clinic_id in site.clinics:
        row = by_clinic.get(clinic_id)
        if row and row["met"] + row["not_met"] + row["not_evaluable"] + row["pending"]:
            applied.append({**row, "rate": rule_rate(row), "completeness": completeness(row)})
    return applied


def _worth_drawing(months: Mapping[tuple[Any, ...], list[Row]]) -> set[tuple[Any, ...]]:
    """The rules most often missed in their last months."""
    missed = {
        key: sum(row["trials"] - row["hits"] for row in mine[-RECENT_MONTHS:])
        for key, mine in months.items()
    }
    ranked = sorted((key for key in missed if missed[key]), key=lambda key: (-missed[key], key))
    return set(ranked[:MOST_CHARTS])


def _chart(rule: Row, months: list[Row], drawn: set[tuple[Any, ...]]) -> Chart:
    recent = months[-RECENT_MONTHS:]
    if recent and all(row["hits"] == row["trials"] for row in recent):
        return nothing(rule["title"], f"No chart: always met since {day(recent[0]['period'])}.")
    if recent and (rule["protocol"], rule["rule_id"]) not in drawn:
        return nothing(rule["title"], f"No chart: the {MOST_CHARTS} rules missed most have one.")
    return trends.share_chart(
        months[-MOST_PERIODS:], rule["title"], "Met among those decided, by month", "month",
        rule["target"],
    )  # fmt: skip
