"""The stock book of each lot: what came in, what went out, and each count against both.

Amounts are whole millionths of a milligram while they are added up. A lot's balance runs from its
first entry; a count follows the movements of its instant. An entry is a row of `inventory` that has
happened; LOT and `occurred_at` are never null.
"""

from __future__ import annotations

import polars as pl

from flows.metrics.money import decimals, millionths

LOT = ("clinic_id", "lot", "drug")
# Each kind of movement by the column that sums it; a count moves nothing.
_SUMS = {
    "received_mg": ("received",),
    "administered_mg": ("administered",),
    "dispensed_mg": ("dispensed",),
    "wasted_mg": ("wasted",),
    "other_out_mg": ("returned", "transferred", "destroyed", "expired", "broken", "lost"),
}
_KIND, _AMOUNT = pl.col("kind"), pl.col("_amount")
_IS_COUNT = _KIND == "count"
_MOVED = (
    pl.when(_IS_COUNT).then(pl.lit(0, pl.Int128))
    .when(_KIND == "received").then(_AMOUNT)
    .otherwise(_AMOUNT * -1)
)  # fmt: skip


def lot_balance(entries: pl.LazyFrame) -> pl.LazyFrame:
    """One row is one lot of one drug at its latest count, or now where it was never counted: sums
    of its movements until then, what they say is there, what was counted, and the difference.

    `on_hand_mg` is what is there now: what was counted last, and what moved since.
    """
    held = entries.with_columns(_amount=millionths(pl.col("amount_mg")))
    last = (
        held.filter(_IS_COUNT)
        .sort("occurred_at", "entry_id")
        .group_by(LOT)
        .agg(counted_at=pl.col("occurred_at").last(), counted_mg=_AMOUNT.last())
    )
    until = pl.col("occurred_at") <= pl.col("counted_at")
    until = until.fill_null(value=True)
    sums = {name: _AMOUNT.filter(until, _KIND.is_in(kinds)).sum() for name, kinds in _SUMS.items()}
    expected, counted = pl.col("expected_mg"), pl.col("counted_mg")
    return (
        held.join(last, on=LOT, how="left")
        .group_by(LOT)
        .agg(
            pl.col("counted_at", "counted_mg").first(),
            **sums,
            expected_mg=_MOVED.filter(until).sum(),
            _since=_MOVED.filter(~until).sum(),
        )
        .with_columns(
            variance_mg=counted - expected,
            on_hand_mg=pl.coalesce(counted, expected) + pl.col("_since"),
        )
        .with_columns(decimals(pl.col("^.*_mg$")))
        .drop("_since")
        .sort(LOT)
    )


def counts(entries: pl.LazyFrame) -> pl.LazyFrame:
    """One row is one count: `expected_mg` by the movements up to its instant, `counted_mg`,
    `variance_mg`, and whether anything was `received` until then.
    """
    return (
        entries.with_columns(_amount=millionths(pl.col("amount_mg")))
        .sort(*LOT, "occurred_at", _IS_COUNT, "entry_id")
        .with_columns(
            expected_mg=_MOVED.cum_sum().over(LOT),
            received=(_KIND == "received").cum_max().over(LOT),
        )
        .filter(_IS_COUNT)
        .select(
            *LOT, "entry_id", "occurred_at", "received",
            expected_mg=decimals(pl.col("expected_mg")),
            counted_mg=decimals(_AMOUNT),
            variance_mg=decimals(_AMOUNT - pl.col("expected_mg")),
        )
    )  # fmt: skip
