"""Pictures of clinics beside each other, and of how long a response lasts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from flows.reports.axes import BOTTOM, INK, LEFT, QUIET, RED, RIGHT, TOP
from flows.reports.charts import Chart
from flows.reports.funnel_plots import funnel_plot
from flows.reports.queries import Row
from flows.reports.survival_plots import survival_plot

SVG = "{http://www.w3.org/2000/svg}"


def paths(chart: Chart, **looks: str) -> list[str]:
    """The lines or shapes of a chart that look so."""
    assert chart.svg is not None
    wanted = {name.replace("_", "-"): value for name, value in looks.items()}
    return [path.get("d", "") for path in ElementTree.fromstring(chart.svg).iter(f"{SVG}path")
            if wanted.items() <= dict(path.items()).items()]  # fmt: skip


def texts(chart: Chart) -> list[str]:
    assert chart.svg is not None
    return [text.text or "" for text in ElementTree.fromstring(chart.svg).iter(f"{SVG}text")]


def clinics(*hits: int) -> list[Row]:
    return [{"clinic_id": f"c{at}", "hits": hit, "trials": 200} for at, hit in enumerate(hits)]


def test_only_a_clinic_beyond_chance_is_red_and_named_as_text() -> None:
    names = {"c0": "<b>Low & slow</b>", "c1": "One", "c2": "Two", "c3": "Three", "c4": "Four"}
    chart = funnel_plot("Compliant", clinics(120, 190, 191, 189, 190), names)
    assert len(paths(chart, fill=RED)) == 1
    assert "<b>Low & slow</b>" in texts(chart)
    assert "One" not in texts(chart)
    alike = funnel_plot("Compliant", clinics(190, 191, 189, 190), names)
    assert not paths(alike, fill=RED) and len(paths(alike, fill=INK)) == 4


def test_limits_close_in_on_the_target_as_trials_grow() -> None:
    found = [{"clinic_id": f"c{at}", "hits": 9 * trials // 10, "trials": trials}
             for at, trials in enumerate((40, 100, 400))]  # fmt: skip
    chart = funnel_plot("Compliant", found, {})
    for limits in (paths(chart, stroke=QUIET, stroke_dasharray="5 3"),
                   paths(chart, stroke=QUIET, stroke_dasharray="1 3")):  # fmt: skip
        upper, lower = sorted(limits, key=lambda line: places(line)[-1][1])
        pairs = zip(places(upper), places(lower), strict=True)
        widths = [low - high for (_, high), (_, low) in pairs]
        assert widths[0] > 2 * widths[-1] > 0


def places(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", line)]


def durability(group: str, *shares: float) -> list[Row]:
    return [{"group": group, "day": 10 * at, "at_risk": 9, "relapsed": 1, "censored": 0,
             "survival": share, "survival_low": 0.0, "survival_high": 1.0}
            for at, share in enumerate(shares, start=1)]  # fmt: skip


def test_a_curve_goes_down_in_steps_from_all() -> None:
    (line,) = paths(survival_plot("Lasting", durability("all", 0.75, 0.5)), stroke_width="2")
    half, quarter = (TOP + BOTTOM) / 2, TOP + (BOTTOM - TOP) / 4
    middle = (LEFT + RIGHT) / 2
    assert line == f"M{LEFT} {TOP}H{middle}V{quarter}H{float(RIGHT)}V{half}"


def test_groups_are_named_where_there_are_several_and_look_apart() -> None:
    both = durability("with <therapy>", 0.9, 0.8) + durability("without", 0.7, 0.6)
    chart = survival_plot("Lasting", both)
    assert {"with <therapy>", "without"} <= set(texts(chart))
    assert "all" not in texts(survival_plot("Lasting", durability("all", 0.9)))
    assert len(paths(chart, stroke_width="2", stroke_dasharray="none")) == 2
    assert len(paths(chart, stroke_width="2", stroke_dasharray="6 3")) == 2


def test_few_courses_make_no_curve() -> None:
    few = [{**row, "at_risk": 4} for row in durability("all", 0.9)]
    assert survival_plot("Lasting", few).svg is None
