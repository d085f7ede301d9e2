"""Control charts against published examples, a plain-Python recomputation, and their own rules."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.spc import Point, Series, p_chart, xmr_chart

# Montgomery, Introduction to Statistical Quality Control, example 7.1: nonconforming cans of frozen
# orange juice concentrate, 30 samples of 50.
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9,
        12, 7, 13, 9, 6]  # fmt: skip
# The same book, example 6.5: costs of processing 20 mortgage loans, in US dollars.
LOANS = [310, 288, 297, 298, 307, 303, 294, 297, 308, 306, 294, 299, 297, 299, 314, 295, 293, 306,
         301, 304]  # fmt: skip
# Attendances at emergency departments of the NHS in twenty weeks, those seen within four hours and
# all: Mohammed et al., "Statistical process control charts for attribute data involving very large
# sample sizes" (BMJ Quality & Safety 2013;22:362-368), as the R package qicharts2 has them
# (nhs_accidents).
SEEN = [266501, 264225, 276532, 281461, 269071, 261215, 270409, 279778, 270483, 270320, 267923,
        271478, 255353, 256820, 261835, 259144, 255910, 260863, 264465, 260989]  # fmt: skip
ATTENDED = [280443, 276823, 291681, 296155, 282343, 275888, 283867, 295251, 284468, 282529, 279618,
            283932, 266629, 268091, 276803, 271578, 266005, 273520, 278574, 273772]  # fmt: skip


def test_a_p_chart_as_montgomery_draws_it() -> None:
    series = p_chart(CANS, [50] * 30, laney=False)
    point = series.points[0]
    assert point.mean == pytest.approx(0.2313, abs=5e-5)
    assert point.high == pytest.approx(0.4102, abs=5e-5)
    assert point.low == pytest.approx(0.0524, abs=5e-5)
    assert [at + 1 for at, p in enumerate(series.points) if "outside" in p.signals] == [15, 23]


def test_an_xmr_chart_as_montgomery_draws_it() -> None:
    point = xmr_chart(LOANS).points[0]
    assert (point.mean, point.low, point.high) == pytest.approx((300.5, 279.78, 321.22), abs=0.01)


# Limits of the first, third and last week as qic(chart = "p") and qic(chart = "pp") of qicharts2
# 0.8.1 give them.
def test_laneys_chart_as_qicharts2_draws_it() -> None:
    plain, widened = (p_chart(SEEN, ATTENDED, laney=laney) for laney in (False, True))
    assert plain.points[0].mean == pytest.approx(0.95289971134419116)
    assert limits_of(plain) == pytest.approx(
        [0.95169956464601502, 0.9540998580423673, 0.95172291159637212, 0.95407651109201019,
         0.95168503066826537, 0.95411439202011694]
    )  # fmt: skip
    assert limits_of(widened) == pytest.approx(
        [0.9401296441775141, 0.96566977851086822, 0.9403780655785402, 0.96542135710984212,
         0.93997499652290417, 0.96582442616547814]
    )  # fmt: skip
    assert widened.widened == pytest.approx(10.64, abs=0.005)
    assert sum("outside" in point.signals for point in plain.points) == 16
    assert not any("outside" in point.signals for point in widened.points)


def limits_of(series: Series) -> list[float | None]:
    points = [series.points[at] for at in (0, 2, 19)]
    return [limit for point in points for limit in (point.low, point.high)]


# The cases of NHSRplotthedots, the NHS's own package (test-ptd_calculate_point_type.R).
def test_seven_on_one_side_is_a_shift_and_six_are_none() -> None:
    assert marked("shift", [5, 1] * 4 + [5] * 6 + [1]) == []
    assert marked("shift", [1, 5, 1, 5, 1, 1, 1] + [5] * 7 + [1]) == list(range(7, 14))


def test_seven_that_rise_are_a_trend_and_equal_neighbours_break_it() -> None:
    assert marked("trend", [2, 1, 2, 3, 4, 5, 6, 7, 3]) == list(range(1, 8))
    assert marked("trend", [2, 7, 6, 5, 4, 3, 2, 1, 3]) == list(range(1, 8))
    assert marked("trend", [1, 2, 3, 3, 4, 5, 6, 0]) == []
    assert marked("trend", [1, 2, 3, 4, 5, 6, 0, 1]) == []


def test_two_of_three_near_a_limit_on_one_side() -> None:
    calm = [10, 10.5, 9.5, 10, 10.4, 9.6, 10, 10.3, 9.7, 10, 10.2, 9.8]
    near = [*calm, 11.3, 10.2, 11.3, *calm]
    reach = xmr_chart(near).points[0]
    assert reach.high is not None
    outer = reach.mean + (reach.high - reach.mean) * 2 / 3
    assert outer < 11.3 < reach.high
    assert marked("near_limit", near) == [12, 14]
    assert marked("near_limit", [*calm, 11.3, 9.9, 11.3, *calm]) == []


def marked(signal: str, values: list[float]) -> list[int]:
    """Positions at which a series signals."""
    return [at for at, p in enumerate(xmr_chart(values).points) if signal in p.signals]


def test_variation_and_assurance_say_different_things() -> None:
    steady = [90, 92, 88, 91, 89, 90, 92, 88, 91, 89, 90, 91]
    series = p_chart(steady, [100] * 12, target=0.999)
    assert (series.variation, series.assurance) == ("common", "fails")
    assert p_chart(steady, [100] * 12, target=0.5).assurance == "passes"
    assert p_chart(steady, [100] * 12, target=0.9).assurance == "hit_or_miss"
    assert p_chart([*steady, 60], [100] * 13).variation == "concern"
    assert xmr_chart([*map(float, steady), 60.0], better=-1).variation == "improvement"
    assert xmr_chart([*map(float, steady), 60.0]).variation == "common"


def test_short_series_have_no_limits_and_then_trial_ones() -> None:
    four = p_chart([9, 8, 9, 8], [10] * 4, target=1.0)
    assert four.short
    assert not four.trial
    assert all(point.low is None for point in four.points)
    assert four.assurance is None
    assert p_chart([9] * 11, [10] * 11).trial
    assert not p_chart([9] * 12, [10] * 12).trial


def test_a_rebase_begins_anew_and_no_rule_looks_across_it() -> None:
    low, high = [50, 52, 48, 51, 49, 50, 51], [80, 82, 78, 81, 79, 80, 81]
    whole, parts = p_chart(low + high, [100] * 14), p_chart(low + high, [100] * 14, rebase=[7])
    assert any("shift" in point.signals for point in whole.points)
    assert not any(point.signals for point in parts.points)
    assert parts.points[0].mean == pytest.approx(351 / 700)
    assert parts.points[7].mean == pytest.approx(561 / 700)
    assert parts.rebased == (7,)


def test_limits_are_widened_where_neighbours_differ_by_more_than_chance() -> None:
    wild = [5000 + (400 if at % 2 else -400) for at in range(24)]
    series = p_chart(wild, [10_000] * 24)
    assert series.widened is not None
    assert series.widened > 5
    assert not any("outside" in point.signals for point in series.points)
    plain = p_chart(wild, [10_000] * 24, laney=False)
    assert all("outside" in point.signals for point in plain.points)


counts = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=5, max_size=40).map(
    lambda pairs: [(min(hits, trials), trials) for hits, trials in pairs]
)


@given(counts)
@settings(max_examples=150)
def test_p_charts_agree_with_a_recomputation(pairs: list[tuple[int, int]]) -> None:
    hits, trials = [h for h, _ in pairs], [t for _, t in pairs]
    series = p_chart(hits, trials)
    mean = Fraction(sum(hits), sum(trials))
    factor = _laney(pairs, mean)
    assert series.widened == (None if factor is None else pytest.approx(factor))
    for point, (hit, of) in zip(series.points, pairs, strict=True):
        reach = 3 * sqrt(mean * (1 - mean) / of) * (factor or 1)
        assert point.value == pytest.approx(hit / of)
        assert point.low == pytest.approx(max(float(mean) - reach, 0))
        assert point.high == pytest.approx(min(float(mean) + reach, 1))
        outside = abs(hit / of - float(mean)) > reach + 1e-9
        assert ("outside" in point.signals) == outside or abs(reach) < 1e-6


def _laney(pairs: list[tuple[int, int]], mean: Fraction) -> float | None:
    """Laney's sigma z: mean moving range of z-scores over 1.128; the docstring's threshold."""
    if not 0 < mean < 1:
        return None
    z = [(h / t - float(mean)) / sqrt(mean * (1 - mean) / t) for h, t in pairs]
    ranges = [abs(b - a) for a, b in pairwise(z)]
    factor = sum(ranges) / len(ranges) / 1.128
    return factor if factor > 1 + 2 * sqrt(0.83 / len(ranges)) else None


@given(st.lists(st.integers(0, 12), min_size=5, max_size=40))
@settings(max_examples=200)
def test_the_four_rules_agree_with_a_recomputation(values: list[int]) -> None:
    points = xmr_chart([float(value) for value in values]).points
    assert [set(point.signals) for point in points] == _signals(values, points[0])


def _signals(values: list[int], first: Point) -> list[set[str]]:
    """Each rule by looking at every run of points there is."""
    mean = Fraction(sum(values), len(values))
    ranges = [abs(b - a) for a, b in pairwise(values)]
    reach = Fraction("2.66") * Fraction(sum(ranges), len(ranges))
    assert first.high == pytest.approx(float(mean + reach))
    found: list[set[str]] = [set() for _ in values]

    def mark(name: str, positions: range | list[int]) -> None:
        for at in positions:
            found[at].add(name)

    near = [reach * 2 / 3 < abs(value - mean) <= reach for value in values]
    mark("outside", [at for at, value in enumerate(values) if abs(value - mean) > reach])
    for at in range(len(values)):
        seven = values[at : at + 7]
        if len(seven) == 7:
            if all(v > mean for v in seven) or all(v < mean for v in seven):
                mark("shift", range(at, at + 7))
            pairs = list(pairwise(seven))
            if all(a < b for a, b in pairs) or all(a > b for a, b in pairs):
                mark("trend", range(at, at + 7))
        three = range(at, at + 3)
        if at + 3 <= len(values) and sum(near[i] for i in three) >= 2:
            sides = {(values[i] > mean) - (values[i] < mean) for i in three}
            if sides in ({1}, {-1}):
                mark("near_limit", [i for i in three if near[i]])
    return found
