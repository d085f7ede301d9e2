"""Funnels against hospitals that were published, plain binomial sums, and what chance does."""

from __future__ import annotations

from math import comb, erfc, sqrt
from statistics import NormalDist, fmean

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.funnels import funnel, limits

# Operations and deaths of children's hearts by hospital, 1991 to 1995, as published with
# Spiegelhalter's "The Art of Statistics" (its repository, figure 2.5): Bristol's were the scandal.
HEARTS = {
    "Bristol": (143, 41), "Leicester": (187, 25), "Leeds": (323, 24), "Oxford": (122, 23),
    "Guys": (164, 25), "Liverpool": (405, 42), "Southampton": (239, 24),
    "Great Ormond St": (482, 53), "Newcastle": (195, 26), "Harefield": (177, 25),
    "Birmingham": (581, 58), "Brompton": (301, 31),
}  # fmt: skip
ALARM = NormalDist().inv_cdf(0.999)


def judged(
    rows: dict[str, tuple[int, int]], deviations: float = ALARM, least: int = 1
) -> dict[str, dict[str, float]]:
    """Each row's funnel."""
    table = pl.DataFrame(
        {"name": list(rows), "trials": [of[0] for of in rows.values()],
         "events": [of[1] for of in rows.values()], "group": "all"}
    )  # fmt: skip
    found = funnel(table.lazy(), ["group"], deviations, least).collect()
    return {row["name"]: row for row in found.to_dicts()}


def test_bristol_alone_lies_above_the_limits_of_a_thousandth() -> None:
    found = judged(HEARTS)
    assert [name for name, row in found.items() if row["share"] > row["high"]] == ["Bristol"]
    assert not [name for name, row in found.items() if row["share"] < row["low"]]
    row = found["Bristol"]
    assert row["target"] == pytest.approx(397 / 3319)
    assert row["share"] == pytest.approx(41 / 143)
    assert row["peers"] == 12
    assert row["dispersion"] == 1


def oracle_low(trials: int, target: float, beyond: float) -> float:
    """Sum the binomial probabilities up to the limit; exactly, but slowly."""
    upto = 0.0
    for events in range(trials + 1):
        below = upto
        upto += comb(trials, events) * target**events * (1 - target) ** (trials - events)
        if upto > beyond:
            return max(0.0, events - (upto - beyond) / (upto - below)) / trials
    raise AssertionError


@settings(max_examples=150)
@given(
    st.integers(1, 200), st.floats(0.001, 0.999), st.floats(1, 9), st.sampled_from([1.0, 1.96, 3])
)
def test_limits_are_sums_of_binomial_probabilities(
    trials: int, target: float, dispersion: float, deviations: float
) -> None:
    low, high = limits(
        np.array([float(trials)]), np.array([target]), np.array([dispersion]), deviations
    )
    beyond = erfc(deviations * sqrt(dispersion / 2)) / 2
    assert low[0] == pytest.approx(oracle_low(trials, target, beyond), abs=1e-6)
    assert high[0] == pytest.approx(1 - oracle_low(trials, 1 - target, beyond), abs=1e-6)


def test_in_neither_tail_lies_more_than_its_probability() -> None:
    trials, target = 60, 0.1
    low, high = limits(np.array([60.0]), np.array([target]), np.array([1.0]), ALARM)
    chance = [comb(trials, k) * target**k * (1 - target) ** (trials - k) for k in range(trials + 1)]
    assert sum(p for k, p in enumerate(chance) if k / trials > high[0]) <= 0.001
    assert sum(p for k, p in enumerate(chance) if k / trials >= high[0] - 1 / trials) > 0.001
    assert sum(p for k, p in enumerate(chance) if k / trials < low[0]) <= 0.001


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("target", [0.0, 1e-9, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("trials", [50.0, 2000.0, 1e6])
def test_where_chance_is_too_small_for_a_number_there_is_a_limit_still(
    trials: float, target: float
) -> None:
    for dispersion in (200.0, 1e4):
        low, high = limits(np.array([trials]), np.array([target]), np.array([dispersion]), ALARM)
        assert 0 <= low.item() <= target <= high.item() <= 1


def test_peers_that_differ_by_more_than_chance_widen_the_limits() -> None:
    shares = {f"p{at}": (400, events) for at, events in enumerate([10, 20, 40, 60, 60, 80, 90, 60])}
    found = judged(shares)["p0"]
    target = 420 / 3200
    z = sorted((events / 400 - target) / sqrt(target * (1 - target) / 400)
               for _, events in shares.values())  # fmt: skip
    pulled = [z[1], *z[1:-1], z[-2]]
    assert found["dispersion"] == pytest.approx(fmean(each**2 for each in pulled))
    assert found["dispersion"] > 5
    assert not [row for row in judged(shares).values() if row["share"] > row["high"]]


def test_one_who_stands_apart_does_not_widen_the_limits_for_himself() -> None:
    usual = [14, 17, 19, 20, 20, 21, 23, 26, 29]
    found = judged(
        {f"p{at}": (200, events) for at, events in enumerate(usual)} | {"far": (200, 60)}
    )
    assert found["far"]["dispersion"] == 1
    assert found["far"]["share"] > found["far"]["high"]


def test_a_few_who_stand_far_apart_move_the_middle_little() -> None:
    rows = pl.DataFrame(
        {"group": "all", "trials": 100, "events": [8, 9, 9, 10, 10, 10, 11, 11, 12, 90]}
    )
    target = {
        middle: funnel(rows.lazy(), ["group"], ALARM, 1, middle=middle).collect()["target"][0]
        for middle in (False, True)
    }
    assert target == {False: pytest.approx(0.18), True: pytest.approx(82 / 800)}


def test_fewer_trials_than_asked_for_are_not_judged_and_no_peers() -> None:
    found = judged({"a": (30, 3), "b": (30, 3), "few": (29, 29), "none": (0, 0)}, least=30)
    assert found["a"]["target"] == pytest.approx(0.1)
    assert found["a"]["peers"] == 2
    for name in ("few", "none"):
        assert {found[name][of] for of in ("peers", "target", "dispersion", "low", "high")} == {
            None
        }
    assert found["few"]["share"] == 1
    assert found["none"]["share"] is None


@pytest.mark.parametrize(("events", "share"), [(0, 0.0), (50, 1.0)])
def test_where_nobody_differs_nobody_lies_outside(events: int, share: float) -> None:
    for row in judged(dict.fromkeys("abc", (50, events))).values():
        assert row["low"] <= row["share"] == share <= row["high"]


def test_groups_are_judged_apart_whatever_the_order() -> None:
    rows = pl.DataFrame(
        {"group": ["x", None, "x", None], "trials": [50] * 4, "events": [5, 25, 7, 27]}
    )
    found = funnel(rows.lazy(), ["group"], ALARM, 1).collect()
    assert found["target"].to_list() == pytest.approx([0.12, 0.52, 0.12, 0.52])
    turned = funnel(rows.reverse().lazy(), ["group"], ALARM, 1).collect()
    assert turned.reverse().equals(found)


def test_by_chance_alone_few_lie_outside() -> None:
    random = np.random.default_rng(4)
    rows = pl.DataFrame(
        {"group": 1, "trials": 80, "events": random.binomial(80, 0.15, 20_000)}
    )  # fmt: skip
    found = funnel(rows.lazy(), ["group"], ALARM, 1).collect()
    above = (found["share"] > found["high"]).sum()
    assert 0 < above <= 20_000 * 0.001 + 3 * sqrt(20)
