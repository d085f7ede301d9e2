"""Charts as inline SVG, drawn without a browser or the web: readable in grey, and with their
numbers in a table behind them.

Pictures are written as Vega-Lite, which is data; Altair would spend as long on checking each one
as it takes to draw it. Their points stand apart from their looks, under `datasets`: the charts of
many clinics differ in the points alone, and looks are turned into Vega once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any

from markupsafe import Markup

Spec = dict[str, Any]
INK, QUIET, ACCENT, RED, GREEN = "#17222c", "#54616d", "#17567f", "#9c1616", "#1b5c34"
WIDTH, HEIGHT = 560, 210
MOST_TICKS = 8
_ARIA = re.compile(r'\s(?:role|aria-[a-z]+|class)="[^"]*"')
_CONFIG: Spec = {
    "font": "Helvetica, Arial, Liberation Sans, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET, "titleColor": QUIET, "gridColor": "#edf1f4", "domainColor": "#8795a1",
        "tickColor": "#8795a1", "labelFontSize": 13, "titleFontSize": 13,
        "titleFontWeight": "normal",
    },
    "legend": {"labelFontSize": 13, "labelColor": INK, "orient": "top", "title": None,
               "labelLimit": 0},
}  # fmt: skip

# What a point of a control chart says: its shape, its colour, its size.
_STATES = {
    "common": ("circle", INK, 32), "improvement": ("triangle-up", GREEN, 110),
    "concern": ("square", RED, 110), "signal": ("diamond", ACCENT, 110),
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


def control_chart(
    points: Sequence[Mapping[str, Any]], rebased: Sequence[str], axis: str, forms: tuple[str, str]
) -> Spec:
    """A chart over time. `points`: period (ISO), phase, value, mean, low, high, target (each number
    or None), and state, a key of the table above. Limits are dashed, the mean is plain, the target
    dotted. `forms` are those of the value and of the period."""
    form, dates = forms

    def y(field: str) -> Spec:
        return {"field": field, "type": "quantitative", "scale": {"zero": False, "nice": True},
                "axis": {"title": axis, "format": form, "tickCount": 5}}  # fmt: skip

    def line(field: str, dash: Sequence[int], width: float, color: str, bend: str) -> Spec:
        mark = {"type": "line", "color": color, "strokeDash": dash, "strokeWidth": width,
                "interpolate": bend}  # fmt: skip
        return {"mark": mark, "encoding": {"y": y(field), "detail": {"field": "phase"}}}

    known = {name for point in points for name, value in point.items() if value is not None}
    layers = [
        line(field, dash, width, QUIET, "step")
        for field, dash, width in (("low", [5, 3], 1.2), ("high", [5, 3], 1.2),
                                   ("mean", [1, 0], 1.2), ("target", [1, 3], 2))
        if field in known
    ]  # fmt: skip
    layers.append(line("value", [1, 0], 1.6, INK, "linear"))
    layers.append({"mark": {"type": "point", "filled": True, "opacity": 1},
                   "encoding": {"y": y("value"), **_by_state("state", _STATES)}})  # fmt: skip
    if rebased:
        layers.append({
            "data": {"name": "rebased"},
            "mark": {"type": "rule", "color": INK, "strokeDash": [2, 2]},
        })  # fmt: skip
    time = {"field": "period", "type": "temporal", "title": None,
            "axis": {"grid": False, "labelOverlap": True, "format": dates,
                     "values": _ticks([point["period"] for point in points])}}  # fmt: skip
    return _layered(layers, time, points=points, rebased=[{"period": day} for day in rebased])


def _ticks(periods: Sequence[str]) -> list[Spec]:
    """Every so many of the points, the latest among them: a tick between two points would bear the
    name of one of them again."""
    step = -(-len(periods) // MOST_TICKS)
    return [
        {"year": at.year, "month": at.month, "date": at.day, "hours": at.hour}
        for at in map(datetime.fromisoformat, periods[::-1][::step][::-1])
    ]


def funnel_chart(
    points: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, float]], axis: str
) -> Spec:
    """Clinics by how many trials each had. `points`: trials, share, label, out (bool); `curve`:
    trials, target, low2, high2, low3, high3. Only what lies outside is named."""

    def y(field: str) -> Spec:
        return {"field": field, "type": "quantitative", "scale": {"zero": False, "nice": True},
                "axis": {"title": axis, "format": "%", "tickCount": 5}}  # fmt: skip

    dashes = {"target": [1, 0], "low2": [1, 3], "high2": [1, 3], "low3": [5, 3], "high3": [5, 3]}
    layers: list[Spec] = [
        {"data": {"name": "curve"},
         "mark": {"type": "line", "color": QUIET, "strokeWidth": 1.2, "strokeDash": dash},
         "encoding": {"y": y(field)}}
        for field, dash in dashes.items()
    ]  # fmt: skip
    states = {False: ("circle", INK, 45), True: ("square", RED, 110)}
    layers.append({"mark": {"type": "point", "filled": True, "opacity": 1},
                   "encoding": {"y": y("share"), **_by_state("out", states)}})  # fmt: skip
    layers.append({
        "transform": [{"filter": "datum.out"}],
        "mark": {"type": "text", "dy": -11, "fontSize": 13, "color": INK},
        "encoding": {"y": y("share"), "text": {"field": "label"}},
    })  # fmt: skip
    trials = {"field": "trials", "type": "quantitative", "title": "judged",
              "scale": {"zero": False},
              "axis": {"grid": False, "tickCount": 6, "format": ",d"}}  # fmt: skip
    return _layered(layers, trials, points=points, curve=curve)


def survival_chart(points: Sequence[Mapping[str, Any]], most_days: int) -> Spec:
    """Kaplan-Meier curves as steps. `points`: day, survival, group."""
    line = {
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
        "encoding": {
            "y": {"field": "survival", "type": "quantitative", "scale": {"domain": [0, 1]},
                  "axis": {"title": "still responding", "format": "%", "tickCount": 5}},
            "strokeDash": {"field": "group", "type": "nominal"},
            "color": {"field": "group", "type": "nominal",
                      "scale": {"range": [INK, ACCENT, RED, QUIET]}},
        },
    }  # fmt: skip
    days = {"field": "day", "type": "quantitative", "title": "days since response",
            "scale": {"domain": [0, most_days]},
            "axis": {"grid": False, "tickCount": 8}}  # fmt: skip
    return _layered([line], days, points=points)


def _layered(layers: Sequence[Spec], x: Spec, **datasets: Sequence[Mapping[str, Any]]) -> Spec:
    """Layers of `points`, but for those that name another of the datasets."""
    return {"data": {"name": "points"}, "encoding": {"x": x}, "layer": layers, "width": WIDTH,
            "height": HEIGHT, "datasets": datasets}  # fmt: skip


def _by_state(field: str, states: Mapping[Any, tuple[str, str, int]]) -> Spec:
    looks = zip(("shape", "color", "size"), zip(*states.values(), strict=True), strict=True)
    return {
        channel: {"field": field, "type": "nominal", "legend": None,
                  "scale": {"domain": list(states), "range": values}}
        for channel, values in looks
    }  # fmt: skip


def drawn(picture: Spec, label: str) -> Markup:
    """A chart as SVG that a screen reader takes as one picture with that label."""
    import vl_convert

    datasets = picture["datasets"]
    looks = {name: value for name, value in picture.items() if name != "datasets"}
    vega = _in_vega(json.dumps({**looks, "config": _CONFIG}))
    data = [{**one, "values": datasets[one["name"]]} if one["name"] in datasets else one
            for one in vega["data"]]  # fmt: skip
    svg = _ARIA.sub("", str(vl_convert.vega_to_svg({**vega, "data": data})))
    named = f'<svg role="img" aria-label="{escape(label, quote=True)}"'
    return Markup(re.sub(r"<svg\b", lambda _: named, svg, count=1))  # noqa: S704  (escaped by Vega)


@lru_cache(maxsize=128)
def _in_vega(looks: str) -> Spec:
    """The Vega of a Vega-Lite picture (JSON) that only names its datasets."""
    import vl_convert

    made: Spec = vl_convert.vegalite_to_vega(looks)
    return made
