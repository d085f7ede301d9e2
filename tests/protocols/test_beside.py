"""Columns put beside rows: each row once, in its place, null where nothing was found."""

from __future__ import annotations

import polars as pl
import pytest
from polars.exceptions import ShapeError

from protocols.beside import beside

ROWS = pl.DataFrame({"clinic_id": ["a", "b", None, "a"], "n": [1, 1, 1, 2], "kept": [9, 8, 7, 6]})


def test_each_row_keeps_its_place() -> None:
    found = pl.DataFrame({"clinic_id": ["a", "a", None], "n": [2, 1, 1], "said": ["x", "y", "z"]})
    rows = beside(ROWS, found, ["clinic_id", "n"])
    assert rows.to_dict(as_series=False) == {
        **ROWS.to_dict(as_series=False), "said": ["y", None, None, "x"],
    }  # fmt: skip


def test_nothing_found_is_null() -> None:
    found = pl.DataFrame(schema={"clinic_id": pl.String, "said": pl.String})
    assert beside(ROWS, found, ["clinic_id"])["said"].to_list() == [None] * 4


def test_what_is_found_twice_is_no_column() -> None:
    found = pl.DataFrame({"clinic_id": ["a", "a"], "said": ["x", "y"]})
    with pytest.raises(ShapeError):
        beside(ROWS, found, ["clinic_id"])
