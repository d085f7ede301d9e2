"""Rates of rules: worked by hand first, then against SciPy."""

from __future__ import annotations

from datetime import date
from itertools import product

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from flows.intervals import wilson
from flows.metrics.adherence import COUNTS, KEYS, monthly_counts, rule_monthly

STATUSES = ("met", "not_met", "not_evaluable", "pending", "excluded")
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def counted(**counts: int) -> pl.DataFrame:
    """One clinic's month of one rule."""
    row = dict.fromkeys(COUNTS, 0) | counts
    return pl.DataFrame({"clinic_id": ["north"], "rule_no": [1], "month": [JANUARY], **row})


def rates(**counts: int) -> dict[str, float | None]:
    (row,) = rule_monthly(counted(**counts)).rows(named=True)
    return {name: value for name, value in row.items() if name not in (*KEYS, *COUNTS)}


def test_rates_of_a_month() -> None:
    found = rates(met=90, not_met=10, waived=4, not_evaluable=25, pending=7, excluded=3)
    assert found == {
        "rate": 0.9,
        "rate_low": pytest.approx(0.8256, abs=1e-4),
        "rate_high": pytest.approx(0.9448, abs=1e-4),
        "rate_without_waived": 90 / 96,
        "documented_rate": 0.72,
        "completeness": 0.8,
    }


def test_nothing_evaluable_has_no_rate() -> None:
    found = rates(not_evaluable=2, excluded=5)
    assert found["documented_rate"] == 0
    assert found["completeness"] == 0
    assert {found[name] for name in ("rate", "rate_low", "rate_high", "rate_without_waived")} == {
        None
    }


def test_only_excluded_has_no_rate_at_all() -> None:
    assert set(rates(excluded=3, pending=1).values()) == {None}


def test_a_month_whose_misses_are_all_waived_has_no_rate_without_them() -> None:
    found = rates(not_met=2, waived=2)
    assert found["rate"] == 0
    assert found["rate_without_waived"] is None


def test_the_ends_of_an_interval_are_exact_where_they_are_certain() -> None:
    assert rates(not_met=3)["rate_low"] == 0
    assert rates(met=3)["rate_high"] == 1


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(drawn: tuple[int, int]) -> None:
    hits, trials = drawn
    found = rates(met=hits, not_met=trials - hits)
    theirs = binomtest(hits, trials).proportion_ci(confidence_level=0.95, method="wilson")
    assert found["rate_low"] == pytest.approx(theirs.low, abs=1e-12)
    assert found["rate_high"] == pytest.approx(theirs.high, abs=1e-12)
    assert wilson(hits, trials) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_verdicts_are_counted_by_clinic_rule_and_local_month() -> None:
    subjects = pl.DataFrame(
        {
            "subject_no": [0, 1, 2],
            "clinic_id": ["north", "north", "south"],
            "local_date": [date(2026, 1, 31), FEBRUARY, FEBRUARY],
        }
    )
    rows = [
        {"subject_no": subject, "rule_no": rule, "status": status, "waived": waived}
        for subject, rule, status, waived in [
            (0, 1, "met", False),
            (0, 2, "not_met", True),
            (1, 1, "not_met", False),
            (1, 2, "met", True),
            (2, 1, "pending", True),
        ]
    ]
    found = monthly_counts(pl.DataFrame(rows), subjects).sort(KEYS).rows(named=True)
    assert [
        (*(row[name] for name in KEYS), {name: row[name] for name in COUNTS if row[name]})
        for row in found
    ] == [
        ("north", 1, JANUARY, {"met": 1}),
        ("north", 1, FEBRUARY, {"not_met": 1}),
        ("north", 2, JANUARY, {"not_met": 1, "waived": 1}),
        ("north", 2, FEBRUARY, {"met": 1}),
        ("south", 1, FEBRUARY, {"pending": 1}),
    ]


@given(st.lists(st.tuples(*(st.integers(0, 50) for _ in COUNTS)), min_size=1, max_size=6))
def test_parts_count_as_the_whole(parts: list[tuple[int, ...]]) -> None:
    frames = [counted(**dict(zip(COUNTS, part, strict=True))) for part in parts]
    whole = counted(**{
        name: sum(part[at] for part in parts) for at, name in enumerate(COUNTS)
    })  # fmt: skip
    assert rule_monthly(pl.concat(frames)).equals(rule_monthly(whole))


def test_rows_come_in_one_order() -> None:
    rows = [
        counted(met=1).with_columns(clinic_id=pl.lit(clinic), rule_no=pl.lit(rule))
        for clinic, rule in product(("south", "north"), (2, 1))
    ]
    found = rule_monthly(pl.concat(rows))
    assert found.select(KEYS).rows() == sorted(found.select(KEYS).rows())
