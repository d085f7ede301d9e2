"""Columns that are found for some rows, put beside all of them."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl


def beside(rows: pl.DataFrame, found: pl.DataFrame, on: Sequence[str]) -> pl.DataFrame:
    """The rows, each with what was `found` of it, at most once, or with nulls.

    A join would copy every column of the rows, and judged rows have many.
    """
    keys = rows.select(on)
    return rows.hstack(keys.join(found, on=on, how="left", maintain_order="left").drop(on))
