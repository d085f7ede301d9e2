"""What a rule kind may ask of the judged rows: columns, expressions, cut-offs, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from protocols.durations import Length
from protocols.expressions import Expression, Type, compile_expression
from protocols.sentences import number_words, sentence
from protocols.times import INSTANT, clock, day_and_clock, midnight, window_end, window_start

_NEVER = pl.lit(datetime(1, 1, 1, tzinfo=UTC), INSTANT)


@dataclass(frozen=True)
class Judged:
    """Judged rows of one protocol version, as a kind sees them."""

    feed: str
    columns: Mapping[str, Type]
    zones: list[str]

    def compile(self, text: str) -> Expression:
        """An expression over judged rows."""
        return compile_expression(text, self.columns)

    def instant(self, name: str) -> pl.Expr:
        """A column that names a time, as an instant; a date is its local midnight."""
        if self.columns[name] == "date":
            return midnight(pl.col(name), self.zones)
        return pl.col(name)

    def cutoff(self, feed: str) -> pl.Expr:
        """Up to when the clinic delivered a feed; before all time when it never did."""
        return pl.col(f"_cutoff.{feed}").fill_null(_NEVER)

    def not_before(self, at: pl.Expr, step: Length) -> pl.Expr:
        """Earliest instant that is at + step or later."""
        return window_start(at, step, 1, self.zones)

    def not_after(self, at: pl.Expr, step: Length) -> pl.Expr:
        """Latest instant that is at + step or earlier."""
        return window_end(at, step, 1, self.zones)

    def clock(self, at: pl.Expr) -> pl.Expr:
        """Local HH:MM."""
        return clock(at, self.zones)

    def moment(self, at: pl.Expr) -> pl.Expr:
        """Local YYYY-MM-DD HH:MM."""
        return day_and_clock(at, self.zones)


def minute_words(value: pl.Expr) -> pl.Expr:
    """Minutes, in whole ones where they are whole; long ones in days."""
    days = sentence("{} days", number_words(value / 1440))
    return (
        pl.when(value.abs() >= 2880).then(days).otherwise(sentence("{} min", number_words(value)))
    )


def limit_words(value: float) -> str:
    """A limit as it is written."""
    return f"{value:g}"
