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


def number_words(value: pl.Expr) -> pl.Expr:
    """A number without needless decimals: at most two of them; below 1 the first three digits that
    count, so that what is not nothing does not read as 0."""
    number = value.cast(pl.Float64)
    shown = pl.when(number.abs() < 1).then(number.round_sig_figs(3)).otherwise(number.round(2))
    return shown.cast(pl.String).str.strip_suffix(".0")


def amount_words(amount: pl.Expr) -> pl.Expr:
    """The same with thousands marked: "4,500". A microsecond a row: for flags, not for verdicts."""
    return _grouped(number_words(amount))


def exact_words(amount: pl.Expr) -> pl.Expr:
    """A decimal with every digit that it has, thousands marked: "1,240.5"."""
    text = amount.cast(pl.Decimal(38, 6)).cast(pl.String)
    return _grouped(text.str.strip_chars_end("0").str.strip_suffix("."))


def day_words(day: str | pl.Expr) -> pl.Expr:
    """A date: "1 Nov 2026"."""
    return (pl.col(day) if isinstance(day, str) else day).dt.strftime("%-d %b %Y")


def count_words(count: str | pl.Expr, noun: str) -> pl.Expr:
    """ "1 day", "1,200 days"."""
    many = pl.col(count) if isinstance(count, str) else count
    plural = pl.when(many == 1).then(pl.lit("")).otherwise(pl.lit("s"))
    return sentence("{} " + noun + "{}", amount_words(many), plural)


def _grouped(number: pl.Expr) -> pl.Expr:
    """The text of a number with a comma before each third digit of its whole part."""
    sign, whole, rest = (
        number.str.extract(f"^{pattern}$", 1) for pattern in (r"(-?).*", r"-?(\d+).*", r"-?\d+(.*)")
    )
    marked = whole.str.reverse().str.replace_all(r"(\d{3})", "${1},").str.strip_suffix(",")
    return pl.concat_str([sign, marked.str.reverse(), rest])
