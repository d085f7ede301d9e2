"""Exact money: whole millionths in 128 bits, so that no sum depends on its order or on threads.

Amounts of the feeds have six decimals; a product of two is exact, and only a quotient is rounded,
once, half up, to a millionth.
"""

from __future__ import annotations

from fractions import Fraction

import polars as pl

AMOUNT = pl.Decimal(18, 6)
MILLION = 1_000_000


def millionths(amount: pl.Expr) -> pl.Expr:
    """A decimal of at most six places as whole millionths."""
    return (amount.cast(pl.Decimal(38, 6)) * MILLION).cast(pl.Int128)


def decimals(held: pl.Expr) -> pl.Expr:
    """Whole millionths as a decimal of six places."""
    return held.cast(pl.Decimal(38, 6)) / MILLION


def divided(number: pl.Expr, by: pl.Expr | int) -> pl.Expr:
    """A quotient of whole numbers, half up; null where `by` is not above 0."""
    whole = pl.lit(by, pl.Int128) if isinstance(by, int) else by.cast(pl.Int128)
    return pl.when(whole > 0).then((number * 2 + whole) // (whole * 2))


def multiplied(number: pl.Expr, times: float) -> tuple[pl.Expr, int]:
    """Numerator and divisor of a product with a number of few places."""
    exact = Fraction(times)
    return number * pl.lit(exact.numerator, pl.Int128), exact.denominator
