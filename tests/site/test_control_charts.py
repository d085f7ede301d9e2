"""The control chart's picture: where its values stand, and what it draws between them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.reports.axes import INK, RED
from flows.reports.control_charts import Mark, State, control_chart
from flows.reports.words import number

SVG = "{http://www.w3.org/2000/svg}"


def mark(week: int, value: float, phase: int = 0, state: State = "common") -> Mark:
    day = date(2026, 1, 5) + timedelta(weeks=week)
    return Mark(day, value, phase, value, value - 1, value + 1, state)


def drawn(marks: list[Mark], target: float | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(control_chart(marks, target, "minutes", number, "A <b> & more"))


def places(picture: ElementTree.Element) -> list[tuple[float, float]]:
    """Where the points stand: filled shapes."""
    found = [path.get("d", "") for path in picture.iter(f"{SVG}path")
             if path.get("fill") not in (None, "none")]  # fmt: skip
    return [(float(x), float(y)) for d in found for x, y in re.findall(r"^M([\d.]+) ([\d.]+)m", d)]


def value_lines(picture: ElementTree.Element) -> list[str]:
    return [path.get("d", "") for path in picture.iter(f"{SVG}path")
            if path.get("stroke") == INK and path.get("stroke-dasharray") == "none"]  # fmt: skip


def test_time_goes_right_and_values_go_up_in_proportion() -> None:
    (a, b, c) = places(drawn([mark(0, 10), mark(1, 20), mark(3, 40)]))
    assert c[0] - b[0] == pytest.approx(2 * (b[0] - a[0]), abs=0.2)
    assert b[1] - c[1] == pytest.approx(2 * (a[1] - b[1]), abs=0.3)
    assert a[1] > b[1] > c[1]


def test_no_line_crosses_from_one_phase_into_the_next() -> None:
    whole = drawn([mark(week, 5) for week in range(4)])
    parted = drawn([mark(week, 5, phase=week // 2) for week in range(4)])
    assert [line.count("L") for line in value_lines(whole)] == [3]
    assert [line.count("L") for line in value_lines(parted)] == [1, 1]


def test_a_signal_has_a_shape_and_a_colour_of_its_own() -> None:
    picture = drawn([mark(0, 5), mark(1, 9, state="concern")])
    shapes = [(path.get("fill"), path.get("d", "").split("m", 1)[-1])
              for path in picture.iter(f"{SVG}path")
              if path.get("fill") not in (None, "none")]  # fmt: skip
    (plain, told) = shapes[-2:]
    assert told[0] == RED and plain[0] == INK
    assert told[1] != plain[1]


def test_the_label_is_text() -> None:
    assert drawn([mark(0, 1), mark(1, 2)]).get("aria-label") == "A <b> & more"


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.none() | st.floats(-1e6, 1e6))
def test_whatever_the_values_all_lies_within_the_axes(
    values: list[float], target: float | None
) -> None:
    picture = drawn([mark(week, value) for week, value in enumerate(values)], target)
    ticks = [float(text.text.replace(",", "")) for text in picture.iter(f"{SVG}text")
             if text.get("x") and text.text and re.fullmatch(r"[-\d.,]+", text.text)]  # fmt: skip
    steps = [after - before for before, after in pairwise(ticks)]
    assert 2 <= len(ticks) <= 8
    assert all(step == pytest.approx(steps[0], rel=1e-6, abs=1e-6) and step > 0 for step in steps)
    wanted = [] if target is None else [target]
    slack = 1e-6 * steps[0]
    assert ticks[0] <= min([min(values) - 1, *wanted]) + slack
    assert max([max(values) + 1, *wanted]) <= ticks[-1] + slack
    assert all(9.9 <= y <= 214.1 and 61.9 <= x <= 584.1 for x, y in places(picture))
