"""Sentences with values of columns in them."""

from __future__ import annotations

import polars as pl


def sentence(template: str, *parts: str | pl.Expr) -> pl.Expr:
    """`template` with each `{}` filled by a column's name or an expression; null where any is null.

    Stands for `pl.format`, which panics in the streaming engine on a column whose first chunk is
    empty (Polars 2.1), as the rows of a join can be.
    """
    texts = template.split("{}")
    if len(texts) != len(parts) + 1:
        raise ValueError(f"a sentence with {len(texts) - 1} gaps, and {len(parts)} parts for them")
    columns = [pl.col(part) if isinstance(part, str) else part for part in parts]
    pieces = [pl.lit(texts[0]) if texts[0] else None]
    for column, text in zip(columns, texts[1:], strict=True):
        pieces += [column, pl.lit(text) if text else None]
    return pl.concat_str([piece for piece in pieces if piece is not None])
