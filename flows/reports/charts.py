"""Charts as inline SVG, drawn without a browser or the web."""

from __future__ import annotations

import re
from typing import Any

Row = dict[str, Any]
INK, ACCENT, BAND = "#1f2933", "#1d6fa5", "#bcd9ea"


def trend(months: list[Row]) -> str:
    """Share of compliant sessions by month, with its interval; empty without two months."""
    import altair as alt

    drawn = [row for row in months if row["share"] is not None]
    if len(drawn) < 2:
        return ""
    values = [
        {"month": row["month"].isoformat(), "share": row["share"], "low": row["low"],
         "high": row["high"]}
        for row in drawn
    ]  # fmt: skip
    base = alt.Chart(alt.InlineData(values)).encode(
        x=alt.X("month:T", title=None, axis=alt.Axis(format="%b %Y", tickCount=len(drawn),
                                                    grid=False))
    )  # fmt: skip
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(format="%", title="compliant sessions", tickCount=5)
    band = base.mark_area(color=BAND, opacity=0.7).encode(
        y=alt.Y("low:Q", scale=scale, axis=axis), y2="high:Q"
    )
    line = base.mark_line(
        color=ACCENT, strokeWidth=2.5, point={"size": 45, "color": ACCENT}
    ).encode(y=alt.Y("share:Q", scale=scale))
    return _svg((band + line).properties(width=440, height=190), "Compliant sessions by month")


def clinics(found: list[Row]) -> str:
    """Share of compliant sessions by clinic with its interval, worst first."""
    import altair as alt

    values = [
        {"clinic": row["name"], "share": row["share"], "low": row["low"], "high": row["high"]}
        for row in found
        if row["share"] is not None
    ][:30]
    if not values:
        return ""
    order = [value["clinic"] for value in values]
    base = alt.Chart(alt.InlineData(values)).encode(
        y=alt.Y("clinic:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    )
    axis = alt.Axis(format="%", title="compliant sessions", tickCount=5)
    rule = base.mark_rule(color=BAND, strokeWidth=7).encode(
        x=alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), axis=axis), x2="high:Q"
    )
    dots = base.mark_point(color=ACCENT, filled=True, size=70, opacity=1).encode(x="share:Q")
    chart = (rule + dots).properties(width=330, height=26 * len(values) + 10)
    return _svg(chart, "Compliant sessions by clinic, worst first")


def _svg(chart: Any, label: str) -> str:
    import vl_convert

    configured = chart.configure(
        font="Helvetica, Arial, sans-serif", background="transparent"
    ).configure_axis(labelColor=INK, titleColor=INK, gridColor="#e4e9ee", domainColor="#c3ccd5",
                     labelFontSize=12, titleFontSize=12, titleFontWeight="normal")  # fmt: skip
    drawn = vl_convert.vegalite_to_svg(configured.configure_view(stroke=None).to_dict())
    named = f'<svg role="img" aria-label="{label}"'
    return re.sub(r"<svg\b", named, str(drawn), count=1)
