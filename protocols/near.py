"""A clinic's rows beside the judged rows in whose windows they lie.

A clinic has about as many rows as judged ones, so that all pairs would be their square: time is cut
into stretches, and only what shares one meets.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

Ends = tuple[str, str]
"""The columns of a window's start and end."""

_STRETCH = 6 * 3_600_000_000


def near(rows: pl.LazyFrame, judged: pl.LazyFrame, windows: Sequence[Ends]) -> pl.LazyFrame:
    """Rows (clinic_id, `_at`) beside judged rows (`_idx`, clinic_id, the windows' columns) of their
    clinic with a window that holds `_at`, each pair once; a window with a null end holds nothing.
    """
    stretches = pl.concat(
        judged.select(
            "_idx", "clinic_id", _stretch=pl.int_ranges(_stretch(start), _stretch(end) + 1)
        )
        .explode("_stretch")
        .drop_nulls("_stretch")
        for start, end in windows
    ).unique()
    held = pl.any_horizontal(pl.col("_at").is_between(start, end) for start, end in windows)
    return (
        rows.with_columns(_stretch=_stretch("_at"))
        .join(stretches, on=["clinic_id", "_stretch"])
        .drop("_stretch")
        .join(judged.drop("clinic_id"), on="_idx")
        .filter(held)
    )


def _stretch(column: str) -> pl.Expr:
    return pl.col(column).dt.epoch("us") // _STRETCH
