"""The picture of docs/performance.md: seconds and peak memory by sessions, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SERIES = {
    "full night": ("full_night",),
    "night that brings 1 %": ("late_night",),
    "bare load": ("rivals", "bare_load"),
    "DuckDB SQL": ("rivals", "duckdb"),
    "pandas": ("rivals", "pandas"),
    "dbt-duckdb": ("rivals", "dbt"),
}
WANTED = {"seconds": "seconds", "peak_mb": "peak memory, MB"}
SIZES = [10_000, 12_000_000]


def picture(nights: Sequence[dict[str, Any]]) -> str:
    """An SVG; what was not measured has no point."""
    import altair as alt
    import vl_convert

    sides = [_side(nights, figure, title) for figure, title in WANTED.items()]
    chart = alt.hconcat(*sides).configure(background="white").configure_view(stroke=None)
    return str(vl_convert.vegalite_to_svg(chart.to_dict())) + "\n"


def _side(nights: Sequence[dict[str, Any]], figure: str, title: str) -> Any:
    import altair as alt

    values = [
        {"sessions": each["rows"]["sessions"], "what": name, "value": value}
        for each in nights
        for name, path in SERIES.items()
        if (value := _value(each, path, figure)) is not None
    ]
    ticks = [10**power for power in range(4, 8)]
    x = alt.X(
        "sessions:Q", scale=alt.Scale(type="log", domain=SIZES),
        axis=alt.Axis(values=ticks, format="~s", title="sessions"),
    )  # fmt: skip
    y = alt.Y(
        "value:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title=title, format="~s"),
    )  # fmt: skip
    color = alt.Color("what:N", sort=list(SERIES), title=None)
    base = alt.Chart(alt.InlineData(values)).encode(x=x, y=y, color=color)
    return (base.mark_line() + base.mark_point(filled=True, size=50)).properties(
        width=340, height=280
    )


def _value(found: Any, path: Sequence[str], figure: str) -> float | None:
    for name in path:
        found = found.get(name, {})
    value = found.get(figure)
    return float(value) if value else None
