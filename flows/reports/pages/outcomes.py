"""Outcomes: who got better, how long it lasted, and who was followed up after a positive screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.reports.charts import Chart, drawn, nothing, survival_chart
from flows.reports.queries import Row, grouped, rows
from flows.reports.rates import rate
from flows.reports.words import percent

if TYPE_CHECKING:
    from flows.reports.site import Site

MOST_CURVES, MOST_LATE, _FEWEST = 4, 30, 5
_SUMS = ", ".join(
    f"sum({name})::BIGINT AS {name}"
    for name in ("courses_started", "courses_without_outcome", "courses_without_baseline",
                 "courses_below_minimum", "responders", "remitters")
)  # fmt: skip


def write(site: Site) -> None:
    """Write `outcomes.html`."""
    (network,) = rows(site.db, f"SELECT {_SUMS} FROM marts.outcome_cohorts")
    change = rows(
        site.db,
        "SELECT coalesce(reliable_change, 'not known') AS change, count(*) AS courses "
        "FROM marts.outcome_courses WHERE is_primary GROUP BY ALL ORDER BY courses DESC, change",
    )
    site.write(
        "outcomes.html",
        "outcomes.html.j2",
        network=_rates(network),
        protocols=[_rates(row) for row in _cohorts(site, "protocol, instrument")],
        months=[_rates(row) for row in _cohorts(site, "month")],
        clinics=[_rates(row) for row in site.by_name(_cohorts(site, "clinic_id"))],
        change=change,
        curves=_curves(site),
        **_follow_up(site),
        warnings=rows(
            site.db, "SELECT warning, count(*) AS outcomes FROM marts.outcome_warnings "
            "GROUP BY ALL ORDER BY outcomes DESC, warning",
        ),
    )  # fmt: skip


def _cohorts(site: Site, by: str) -> list[Row]:
    return rows(site.db, f"SELECT {by}, {_SUMS} FROM marts.outcome_cohorts GROUP BY ALL "
                f"ORDER BY {by}")  # fmt: skip


def _rates(row: Row) -> Row:
    """A cohort with its response and remission; courses too well to begin with are left out."""
    below = row["courses_below_minimum"] or 0
    trials = (row["courses_started"] or 0) - below
    left = {"too well at the start": below}
    return {**row, "response": rate(row["responders"] or 0, trials, left),
            "remission": rate(row["remitters"] or 0, trials, left)}  # fmt: skip


def _curves(site: Site) -> list[Chart]:
    """Kaplan-Meier curves of the protocols with most responders."""
    found = grouped(
        rows(site.db, 'SELECT protocol, "group", note, day, at_risk, relapsed, censored, '
             "survival, survival_low, survival_high FROM marts.durability "
             'ORDER BY protocol, note, "group", day'),
        "protocol", "note",
    )  # fmt: skip
    largest = sorted(found.items(), key=lambda item: (-max(r["at_risk"] for r in item[1]), item[0]))
    titles = site.protocol_titles
    return [
        _curve(f"{titles.get(protocol, protocol)}, {note}", mine)
        for (protocol, note), mine in largest[:MOST_CURVES]
    ]


def _curve(title: str, found: list[Row]) -> Chart:
    if max(row["at_risk"] for row in found) < _FEWEST:
        return nothing(title, f"{title}: fewer than {_FEWEST} courses.")
    points = [{"day": row["day"], "survival": row["survival"], "group": row["group"]}
              for row in found]  # fmt: skip
    lines = [
        (f"{row['group']}, day {row['day']}", str(row["at_risk"]), str(row["relapsed"]),
         str(row["censored"]), percent(row["survival"]),
         f"{percent(row['survival_low'])} to {percent(row['survival_high'])}")
        for row in found
    ]  # fmt: skip
    last = {row["group"]: row for row in found}
    says = " ".join(
        f"{group}: {percent(row['survival'])} still responding on day {row['day']}, "
        f"{row['at_risk']} at risk then." for group, row in last.items()
    )  # fmt: skip
    heads = ("Group and day", "At risk", "Relapsed", "Censored", "Still responding", "95 % limits")
    picture = survival_chart(points, max(row["day"] for row in found) or 1)
    return Chart(title, "", says, heads, lines, drawn(picture, f"{title}. {says}"))


def _follow_up(site: Site) -> Row:
    """Positive screens for suicidality by what became of them, and those not seen in time."""
    clinics = rows(
        site.db,
        "SELECT clinic_id, count(*) FILTER (status = 'in_time') AS in_time, "
        "count(*) FILTER (status = 'late') AS late, count(*) FILTER (status = 'missed') AS missed, "
        "count(*) FILTER (status NOT IN ('in_time', 'late', 'missed')) AS waiting "
        "FROM marts.suicidality_followup GROUP BY ALL ORDER BY clinic_id",
    )
    for row in clinics:
        late = row["late"] + row["missed"]
        row["rate"] = rate(row["in_time"], row["in_time"] + late, {"not known yet": row["waiting"]})
    open_ = rows(
        site.db,
        "SELECT * FROM marts.suicidality_followup WHERE status <> 'in_time' "
        "ORDER BY list_position(['missed', 'pending'], status) NULLS LAST, positive_at DESC, "
        f"clinic_id, outcome_id LIMIT {MOST_LATE}",
    )
    return {"follow_up": site.by_name(clinics), "not_followed": open_, "most_late": MOST_LATE}
