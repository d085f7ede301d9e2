"""What the signals of stock and doses share: lots by name."""

from __future__ import annotations

import polars as pl

NO_LOT = "no lot"
"""Stands for the lot of doses on which none was charted."""


def named(lot: pl.Expr) -> pl.Expr:
    """A lot's name, also where there is none."""
    return lot.fill_null(NO_LOT)
