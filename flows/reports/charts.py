"""Charts as inline SVG, drawn without a browser or the web: readable in grey, and with their
numbers in a table behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import altair as alt

INK, QUIET, LINE, ACCENT, RED, GREEN = (
    "#17222c", "#54616d", "#d9e0e6", "#17567f", "#9c1616", "#1b5c34",
)  # fmt: skip
WIDTH, HEIGHT = 560, 210
_ARIA = re.compile(r'\s(?:role|aria-[a-z]+)="[^"]*"')
_CLASS = re.compile(r'\sclass="[^"]*"')
_CONFIG = {
    "font": "Helvetica, Arial, Liberation Sans, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET, "titleColor": QUIET, "gridColor": "#edf1f4", "domainColor": "#8795a1",
        "tickColor": "#8795a1", "labelFontSize": 12, "titleFontSize": 12,
        "titleFontWeight": "normal",
    },
    "legend": {"labelFontSize": 12, "labelColor": INK, "orient": "top", "title": None},
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A picture, what it shows in words, and its numbers: `lines` under `heads`, texts as shown.
    Without anything to draw there is no `svg`, and `says` tells why."""

    title: str
    caption: str
    says: str
    heads: tuple[str, ...] = ()
    lines: Sequence[tuple[str, ...]] = ()
    svg: Markup | None = None


def nothing(title: str, says: str) -> Chart:
    """A chart that there is too little for."""
    return Chart(title, "", says)


def control_chart(points: list[dict[str, Any]], rebased: list[str], axis: str, form: str) -> Any:
    """A chart over time. `points`: period (ISO day), value, mean, low, high, target (each or None),
    and state: common, improvement, concern or signal. Limits are dashed, the mean is plain, the
    target dotted; what signals is larger, of another shape, and coloured."""
    import altair as alt

    base = alt.Chart(alt.InlineData(points)).encode(
        x=alt.X("period:T", title=None, axis=alt.Axis(grid=False, labelOverlap=True,
                                                     format="%-d %b %y", tickCount=8))
    )  # fmt: skip

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=alt.Scale(zero=False, nice=True),
                     axis=alt.Axis(title=axis, format=form, tickCount=5))  # fmt: skip

    known = {name for point in points for name, value in point.items() if value is not None}
    layers = [
        base.mark_line(color=QUIET, strokeDash=dash, interpolate="step", strokeWidth=width)
        .encode(y=y(field), detail="phase:N")
        for field, dash, width in (
            ("low", [5, 3], 1.2), ("high", [5, 3], 1.2), ("mean", [], 1.2),
            ("target", [1, 3], 2),
        )
        if field in known
    ]  # fmt: skip
    layers.append(base.mark_line(color=INK, strokeWidth=1.6).encode(y=y("value"), detail="phase:N"))
    states = ["common", "improvement", "concern", "signal"]
    layers.append(
        base.mark_point(filled=True, opacity=1).encode(
            y=y("value"),
            shape=alt.Shape("state:N", legend=None, scale=alt.Scale(
                domain=states, range=["circle", "triangle-up", "square", "diamond"])),
            color=alt.Color("state:N", legend=None, scale=alt.Scale(
                domain=states, range=[INK, GREEN, RED, ACCENT])),
            size=alt.Size("state:N", legend=None, scale=alt.Scale(
                domain=states, range=[32, 110, 110, 110])),
        )
    )  # fmt: skip
    if rebased:
        cuts = alt.Chart(alt.InlineData([{"period": day} for day in rebased]))
        layers.append(cuts.mark_rule(color=INK, strokeDash=[2, 2]).encode(x="period:T"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def funnel_chart(points: list[dict[str, Any]], curve: list[dict[str, Any]], axis: str) -> Any:
    """Clinics by how many trials each had. `points`: trials, share, label, out (bool); `curve`:
    trials, target, low2, high2, low3, high3. Only what lies outside is named."""
    import altair as alt

    lines = alt.Chart(alt.InlineData(curve)).encode(
        x=alt.X("trials:Q", title="judged", axis=alt.Axis(grid=False, tickCount=6, format=",d"))
    )

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=alt.Scale(zero=False, nice=True),
                     axis=alt.Axis(title=axis, format="%", tickCount=5))  # fmt: skip

    layers = [lines.mark_line(color=QUIET, strokeWidth=1.2, strokeDash=dash).encode(y=y(field))
              for field, dash in (("target", []), ("low2", [1, 3]), ("high2", [1, 3]),
                                  ("low3", [5, 3]), ("high3", [5, 3]))]  # fmt: skip
    dots = alt.Chart(alt.InlineData(points)).encode(x="trials:Q", y=y("share"))
    layers.append(
        dots.mark_point(filled=True, opacity=1).encode(
            shape=alt.Shape("out:N", legend=None, scale=alt.Scale(domain=[False, True],
                                                                  range=["circle", "square"])),
            color=alt.Color("out:N", legend=None, scale=alt.Scale(domain=[False, True],
                                                                  range=[INK, RED])),
            size=alt.Size("out:N", legend=None, scale=alt.Scale(domain=[False, True],
                                                                range=[45, 110])),
        )
    )  # fmt: skip
    named = dots.transform_filter("datum.out").mark_text(dy=-11, fontSize=12, color=INK)
    layers.append(named.encode(text="label:N"))
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)


def survival_chart(points: list[dict[str, Any]], most_days: int) -> Any:
    """Kaplan-Meier curves as steps. `points`: day, survival, low, high, group."""
    import altair as alt

    base = alt.Chart(alt.InlineData(points)).encode(
        x=alt.X("day:Q", title="days since response", scale=alt.Scale(domain=[0, most_days]),
                axis=alt.Axis(grid=False, tickCount=8)),
        strokeDash=alt.StrokeDash("group:N", legend=alt.Legend(symbolStrokeWidth=2)),
        color=alt.Color("group:N", legend=None, scale=alt.Scale(range=[INK, ACCENT, RED, QUIET])),
    )  # fmt: skip
    line = base.mark_line(interpolate="step-after", strokeWidth=2).encode(
        y=alt.Y("survival:Q", scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(title="still responding", format="%", tickCount=5))
    )  # fmt: skip
    return line.properties(width=WIDTH, height=HEIGHT)


def drawn(picture: Any, label: str) -> Markup:
    """A chart as SVG that a screen reader takes as one picture with that label."""
    import vl_convert

    spec = picture.to_dict(validate=False)
    spec["config"] = _CONFIG
    svg = _CLASS.sub("", _ARIA.sub("", str(vl_convert.vegalite_to_svg(spec))))
    named = f'<svg role="img" aria-label="{escape(label, quote=True)}"'
    return Markup(re.sub(r"<svg\b", lambda _: named, svg, count=1))  # noqa: S704  (escaped by Vega)
