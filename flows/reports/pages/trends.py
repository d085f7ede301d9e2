"""Trends: what changes beyond chance, and which clinics differ beyond chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports import trends
from flows.reports.funnel_plots import funnel_plot
from flows.reports.periods import period_of, whole
from flows.reports.queries import Row, grouped, rows
from flows.reports.rates import counted_rules

if TYPE_CHECKING:
    from flows.reports.charts import Chart
    from flows.reports.site import Site

MOST_PROTOCOLS, MOST_FUNNELS = 16, 6


def write(site: Site) -> None:
    """Write `trends.html`."""
    site.write(
        "trends.html",
        "trends.html.j2",
        key=trends.KEY,
        network=site.network_chart,
        protocols=_protocol_charts(site),
        measures=_measures(site),
        clinics=trends.clinic_signals(site.db, site.clinics),
        rules=_rule_signals(site),
        funnels=_funnels(site),
    )


def _protocol_charts(site: Site) -> list[Chart]:
    """The protocols that judged most."""
    most = rows(
        site.db, "SELECT protocol, count(*) AS judged FROM marts.subject_adherence GROUP BY ALL "
        f"ORDER BY judged DESC, protocol LIMIT {MOST_PROTOCOLS}",
    )  # fmt: skip
    charts = site.protocol_charts
    return [charts[row["protocol"]] for row in most if row["protocol"] in charts]


def _measures(site: Site) -> list[Chart]:
    """Single measures of each whole week or month."""
    period = period_of(site.db)
    over = f"date_trunc('{period}', local_date)::DATE AS period"
    done = whole(period, "local_date")
    sessions = rows(
        site.db,
        f"SELECT {over}, sum(sessions)::BIGINT AS value FROM session_days WHERE {done} "
        "GROUP BY 1 ORDER BY 1",
    )
    breaches = rows(
        site.db,
        f"SELECT {over}, coalesce(sum(breaches), 0)::BIGINT AS value FROM "
        "(SELECT DISTINCT clinic_id, local_date FROM session_days) LEFT JOIN "
        "(SELECT clinic_id, timezone(time_zone, started_at)::DATE AS local_date, "
        "count(*) AS breaches FROM marts.findings JOIN marts.clinics USING (clinic_id) "
        "WHERE status = 'not_met' AND severity = 'critical' AND subject_kind = 'session' "
        f"GROUP BY 1, 2) USING (clinic_id, local_date) WHERE {done} GROUP BY 1 ORDER BY 1",
    )
    waits = rows(
        site.db,
        "SELECT month AS period, sum(wait_minutes_median * waits) / sum(waits) AS value "
        f"FROM marts.operations_monthly WHERE waits > 0 AND {whole('month', 'month')} "
        "GROUP BY 1 ORDER BY 1",
    )
    return [
        trends.measure_chart(sessions, "Judged sessions", f"By {period}",
                             "sessions"),
        trends.measure_chart(breaches, "Critical breaches",
                             f"By {period} of the session", "breaches", -1),
        trends.measure_chart(waits, "Wait from arrival to start",
                             "Mean of medians, by month", "minutes",
                             -1),
    ]  # fmt: skip


def _rule_signals(site: Site) -> list[Row]:
    """Rules with a target that change or that chance does not let reach it; how many there are."""
    months = site.rule_months
    found = []
    for rule in rows(site.db, "SELECT * FROM newest_rules WHERE target IS NOT NULL "
                     "ORDER BY list_position(['critical', 'major', 'minor'], severity), "
                     "protocol, rule_id"):  # fmt: skip
        series = trends.series_of(
            months.get((rule["protocol"], rule["rule_id"]), []), rule["target"]
        )
        if series is not None and not series.short:
            telling = series.variation != "common" or series.assurance == "fails"
            if telling:
                found.append({**rule, "series": series, "last": series.points[-1]})
    return found


def _funnels(site: Site) -> list[Chart]:
    """Compliant sessions, and the critical and major rules with most misses, of three months."""
    since = site.since
    names = {clinic_id: row["name"] for clinic_id, row in site.clinics.items()}
    days = f"local_date >= DATE '{since}'" if since else "true"
    sessions = rows(
        site.db,
        "SELECT clinic_id, coalesce(sum(sessions) FILTER (status = 'compliant'), 0)::BIGINT "
        "AS hits, coalesce(sum(sessions) FILTER (status IN ('compliant', 'non_compliant')), 0)"
        f"::BIGINT AS trials FROM session_days WHERE {days} GROUP BY ALL ORDER BY ALL",
    )
    found = [funnel_plot("Compliant sessions", sessions, names)]
    by_rule = grouped(
        counted_rules(site.db, "protocol, rule_id, title, severity, clinic_id", since,
                      "severity IN ('critical', 'major')"),
        "protocol", "rule_id",
    )  # fmt: skip
    missed = sorted(
        by_rule.items(), key=lambda item: (-sum(r["not_met"] for r in item[1]), item[0])
    )
    for _, mine in missed:
        if any(row["not_met"] for row in mine) and any(row["met"] for row in mine):
            counts = [{"clinic_id": row["clinic_id"], "hits": row["met"],
                       "trials": row["met"] + row["not_met"]} for row in mine]  # fmt: skip
            found.append(funnel_plot(mine[0]["title"], counts, names))
        if len(found) > MOST_FUNNELS:
            break
    return found
