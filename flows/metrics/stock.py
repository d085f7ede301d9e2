"""What the signals of stock and doses share: lots by name, milligrams in words, the window."""

from __future__ import annotations

import polars as pl

NO_LOT = "no lot"
"""Stands for the lot of doses on which none was charted."""


def in_text(amount: pl.Expr) -> pl.Expr:
    """A decimal without zeros behind its last digit."""
    text = amount.cast(pl.Decimal(38, 6)).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_suffix(".")


def named(lot: pl.Expr) -> pl.Expr:
    """A lot's name, also where there is none."""
    return lot.fill_null(NO_LOT)
