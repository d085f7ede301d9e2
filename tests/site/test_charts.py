"""What a control chart says in words, and where its ticks stand."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import vl_convert

from flows.reports.charts import _CONFIG, control_chart, drawn, funnel_chart
from flows.reports.trends import measure_chart, share_chart

CALM = [90, 92, 88, 91, 89, 90, 92, 88, 91, 89, 90, 91]
MONDAY = date(2026, 1, 5)


def rows(hits: list[int]) -> list[dict[str, Any]]:
    weeks = [MONDAY + timedelta(weeks=at) for at in range(len(hits))]
    return [{"period": week, "hits": hit, "trials": 100}
            for week, hit in zip(weeks, hits, strict=True)]  # fmt: skip


def says(hits: list[int], target: float | None = None) -> str:
    return share_chart(rows(hits), "Title", "", "week", target).says


def test_a_calm_chart_says_so_and_no_more() -> None:
    assert says(CALM) == "Latest: 91 %; mean 90 %, by chance 81 % to 99 %; no sign of a change now."


def test_a_signal_of_the_latest_point_is_told_first_and_once() -> None:
    told = says([*CALM, 75])
    assert "a change for the worse (outside the limits)." in told
    assert "Marked earlier" not in told


def test_earlier_signals_are_told_newest_first_and_neighbours_together() -> None:
    told = says([60, *CALM, *[97] * 7, 90, 91])
    assert "no sign of a change now. Marked earlier: 6 Apr to 18 May 2026" in told
    assert told.index("6 Apr") < told.index("5 Jan 2026 (outside the limits)")


def test_of_many_earlier_signals_the_rest_is_counted() -> None:
    told = says([*CALM, *[40, 90, 91, 90, 89, 90] * 5])
    assert told.count("(outside the limits)") == 3
    assert "; and 3 marks before." in told


def test_too_few_points_say_nothing_of_change() -> None:
    assert says([90, 60, 90]) == "Latest: 90 %; no limits yet, with fewer than 5 points."


def test_a_miss_is_never_rounded_away() -> None:
    found = [{**row, "hits": 10 * row["hits"], "trials": 1000} for row in rows([*CALM, 100])]
    found[-1]["hits"] = 999
    assert share_chart(found, "Title", "", "week").says.startswith("Latest: 99.9 %")


def test_what_is_always_the_same_is_told_and_not_drawn() -> None:
    for hits, told in (
        ([100] * 6, "Met every time since 5 Jan 2026: nothing to draw."),
        ([0] * 6, "Met 0 of 600 times since 5 Jan 2026: nothing to draw."),
    ):
        chart = share_chart(rows(hits), "Title", "", "week")
        assert (chart.svg, chart.says) == (None, told)
    waits = [{"period": row["period"], "value": 22.0} for row in rows(CALM)]
    chart = measure_chart(waits, "Wait", "", "minutes", -1)
    assert (chart.svg, chart.says) == (
        None, "22 minutes in each period since 5 Jan 2026: nothing to draw.",
    )  # fmt: skip


def test_a_measure_has_one_decimal() -> None:
    values = [{"period": row["period"], "value": row["hits"]} for row in rows([*CALM, 91])]
    assert measure_chart(values, "Sessions", "", "sessions").says == (
        "Latest: 91; mean 90.2, by chance 84.6 to 95.7; no sign of a change now."
    )


def test_what_the_target_can_expect_is_told() -> None:
    assert "The target of 50 % will be met as things are." in says(CALM, 0.5)
    assert "The target of 100 % will not be met unless something changes." in says(CALM, 1.0)
    assert "Whether the target of 90 % is met is up to chance." in says(CALM, 0.9)


def test_no_month_stands_below_the_axis_twice() -> None:
    """Ticks are points, the latest among them, and no more than fit."""
    for months in (2, 3, 5, 8, 9, 24, 52):
        firsts = [date(2020 + at // 12, at % 12 + 1, 1) for at in range(months)]
        points = [{"period": f"{first}T12:00:00", "value": 1.0} for first in firsts]
        (layered,) = [control_chart(points, [], "share", (".0%", "%b %Y"))]
        ticks = layered["encoding"]["x"]["axis"]["values"]
        months_named = [(tick["year"], tick["month"]) for tick in ticks]
        assert len(set(months_named)) == len(ticks) <= 8
        assert months_named[-1] == (firsts[-1].year, firsts[-1].month)


def test_charts_that_look_alike_keep_their_own_points() -> None:
    """Each is what Vega-Lite draws of it alone, whatever was drawn before."""
    weeks = [{"period": f"{MONDAY}T12:00:00", "value": 0.2, "phase": 0, "state": "common"},
             {"period": f"{MONDAY + timedelta(weeks=1)}T12:00:00", "value": 0.4, "phase": 1,
              "state": "concern"}]  # fmt: skip
    rebased = [point["period"] for point in weeks]
    curve = [{"trials": at, "target": 0.5, "low2": 0.4, "high2": 0.6, "low3": 0.2, "high3": 0.8}
             for at in (5.0, 20.0)]  # fmt: skip
    clinics = [{"trials": 9, "share": 0.5, "label": "North", "out": False},
               {"trials": 12, "share": 0.9, "label": "South", "out": True}]  # fmt: skip
    forms = (".0%", "%-d %b")
    pictures = [
        control_chart(weeks, rebased[:1], "share", forms),
        control_chart([weeks[0], {**weeks[1], "value": 0.3}], rebased[:1], "share", forms),
        control_chart(weeks, rebased[1:], "share", forms),
        funnel_chart(clinics, curve, "met"),
        funnel_chart([clinics[0], {**clinics[1], "label": "West"}], curve, "met"),
    ]  # fmt: skip
    shapes = [_shapes(drawn(picture, "x")) for picture in pictures]
    alone = [vl_convert.vegalite_to_svg({**picture, "config": _CONFIG}) for picture in pictures]
    assert shapes == [_shapes(svg) for svg in alone]
    assert len({tuple(one) for one in shapes}) == len(pictures)


def _shapes(svg: str) -> list[str]:
    """Where a picture draws, and what it names: all but its colours and letters."""
    return re.findall(r' (?:d|transform|[xy]2)="[^"]*"|>[^<]+<', svg)
