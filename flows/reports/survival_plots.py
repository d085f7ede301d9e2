"""Kaplan-Meier curves: of courses that responded, the share still responding by day."""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from flows.reports.axes import (
    ACCENT,
    BOTTOM,
    INK,
    LEFT,
    QUIET,
    RED,
    TOP,
    Axis,
    drawn_rightward,
    drawn_upward,
    path,
    picture,
    rightward,
    upward,
)
from flows.reports.charts import Chart, nothing
from flows.reports.queries import Row, grouped
from flows.reports.words import number, percent

_FEWEST = 5
# A group's colour and dashes; a fifth group has the first's again.
_LOOKS = ((INK, "none"), (ACCENT, "6 3"), (RED, "2 2"), (QUIET, "8 2 2 2"))


def survival_plot(title: str, found: list[Row]) -> Chart:
    """Rows of marts.durability of one protocol and note, by group and day."""
    if max(row["at_risk"] for row in found) < _FEWEST:
        return nothing(title, f"{title}: fewer than {_FEWEST} courses.")
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
    return Chart(title, "", says, heads, lines, _drawn(found, f"{title}. {says}"))


def _drawn(found: list[Row], label: str) -> Markup:
    days = [row["day"] for row in found]
    x, y = rightward([0, max(*days, 1)]), upward([0, 1])
    parts = [
        drawn_upward(y, "still responding", percent),
        drawn_rightward([(x(tick), number(tick)) for tick in x.ticks], "days since response"),
    ]
    groups = grouped(found, "group")
    for at, ((group,), mine) in enumerate(groups.items()):
        color, dash = _LOOKS[at % len(_LOOKS)]
        parts.append(path(_steps(mine, x, y), color, 2, dash))
        if len(groups) > 1:
            parts += _named(group, BOTTOM - 12 - 18 * (len(groups) - 1 - at), color, dash)
    return picture(parts, label, BOTTOM + 44)


def _steps(found: list[Row], x: Axis, y: Axis) -> str:
    """Each day's share holds until the next; all respond on the first."""
    bends = "".join(f"H{x(row['day'])}V{y(row['survival'])}" for row in found)
    return f"M{LEFT} {TOP}{bends}"


def _named(group: str, at: float, color: str, dash: str) -> list[str]:
    words = f'<text x="{LEFT + 46}" y="{at}" font-size="13" fill="{INK}">{escape(group)}</text>'
    return [path(f"M{LEFT + 10} {at - 4}h30", color, 2, dash), words]
