"""Sentences with values in them: the gaps filled in order, null where any value is."""

from __future__ import annotations

import polars as pl
import pytest

from protocols.sentences import sentence

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
