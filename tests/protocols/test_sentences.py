"""Sentences with values in them: the gaps filled in order, null where any value is; numbers and
days as a person writes them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.sentences import (
    amount_words,
    count_words,
    day_words,
    exact_words,
    number_words,
    sentence,
)

ROWS = pl.DataFrame({"drug": ["ketamine", None, "a {} b"], "days": [3, 4, None]})


def words(template: str, *parts: str | pl.Expr) -> list[str | None]:
    return ROWS.select(sentence(template, *parts).alias("said"))["said"].to_list()


def test_the_gaps_are_filled_in_order() -> None:
    assert words("{} for {} days", "drug", "days") == ["ketamine for 3 days", None, None]


def test_a_value_that_looks_like_a_gap_is_a_value() -> None:
    assert words("no {}{}", pl.lit("more "), "drug") == ["no more ketamine", None, "no more a {} b"]


def test_no_gap_is_left_and_no_part_is_left_over() -> None:
    for template in ("nothing", "{} and {}"):
        with pytest.raises(ValueError, match="gaps"):
            sentence(template, "drug")


@pytest.mark.parametrize(
    ("value", "words", "amount"),
    [
        (0.0, "0", "0"), (24.0, "24", "24"), (0.5, "0.5", "0.5"), (0.501, "0.501", "0.501"),
        (0.004, "0.004", "0.004"), (-0.0123456, "-0.0123", "-0.0123"),
        (127.333, "127.33", "127.33"),
        (999.999, "1000", "1,000"), (4500.0, "4500", "4,500"), (100.0, "100", "100"),
        (-100.0, "-100", "-100"), (-1234567.891, "-1234567.89", "-1,234,567.89"),
        (None, None, None),
    ],
)  # fmt: skip
def test_numbers_are_written_as_a_person_would(
    value: float | None, words: str | None, amount: str | None
) -> None:
    shown = pl.select(value=pl.lit(value, pl.Float64)).select(
        words=number_words(pl.col("value")), amount=amount_words(pl.col("value"))
    )
    assert shown.row(0) == (words, amount)


@given(st.decimals(-(10**9), 10**9, places=6))
def test_an_exact_amount_keeps_every_digit(amount: Decimal) -> None:
    frame = pl.DataFrame({"amount": [amount]}, schema={"amount": pl.Decimal(38, 6)})
    (text,) = frame.select(exact_words(pl.col("amount"))).row(0)
    assert Decimal(text.replace(",", "")) == amount
    assert text == f"{amount:,f}".rstrip("0").rstrip(".") or amount == 0


def test_days_and_counts() -> None:
    frame = pl.DataFrame({"day": [date(2026, 11, 1), None], "days": [1, 1200]})
    assert frame.select(day_words("day"), count_words("days", "day")).rows() == [
        ("1 Nov 2026", "1 day"), (None, "1,200 days"),
    ]  # fmt: skip
