"""Risk signals of the stock book: counts, receipts and whole devices, lot by lot.

What each says in words, and how it can mislead, stands in `docs/reference/definitions/risk.md`.
An entry is a row of `inventory` that has happened, an event what `flags` makes observations of.
"""

from __future__ import annotations

import polars as pl

from flows.metrics.flags import counted, worst
from flows.metrics.lot_balance import counts
from flows.metrics.money import millionths
from flows.metrics.stock import named
from protocols.risk import Signal
from protocols.sentences import count_words, exact_words, sentence

ESKETAMINE = pl.col("drug") == "esketamine"


def lot_variances(entries: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Counts against the book, in lots whose receipt is in it."""
    return worst(_variances(entries, received=True), signal, "inventory")


def lots_not_received(entries: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """The same in lots that were never received as far as the book says."""
    return worst(_variances(entries, received=False), signal, "inventory")


def _variances(entries: pl.LazyFrame, *, received: bool) -> pl.LazyFrame:
    variance = pl.col("variance_mg")
    which = pl.when(variance < 0).then(pl.lit("short")).otherwise(pl.lit("too many"))
    book = "the book says" if received else "the book, which has no receipt of the lot, says"
    return (
        counts(entries)
        .filter(pl.col("received") == received)
        .select(
            "clinic_id",
            subject_id="lot",
            row_id="entry_id",
            at="occurred_at",
            observed=variance.abs().cast(pl.Float64),
            reason=sentence(
                "counted {} mg of {} where " + book + " {} mg: {} mg {}",
                exact_words(pl.col("counted_mg")), "drug", exact_words(pl.col("expected_mg")),
                exact_words(variance.abs()), which,
            ),
        )
    )  # fmt: skip


def partial_devices(entries: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Entries of esketamine that are no whole number of devices."""
    events = entries.filter(ESKETAMINE, ~_whole(pl.col("amount_mg"), signal)).select(
        "clinic_id", subject_id="lot", row_id="entry_id", at="occurred_at",
        reason=sentence("{} mg of esketamine {}", exact_words(pl.col("amount_mg")), _done()),
    )  # fmt: skip
    return counted(events, signal, "inventory")


def partial_doses(doses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Doses of esketamine that are no whole number of devices, or not of the devices charted."""
    amount, devices = pl.col("amount_mg"), pl.col("devices")
    said = millionths(amount) != devices.cast(pl.Int128) * _device(signal)
    partial = ~_whole(amount, signal) | said.fill_null(value=False)
    events = doses.filter(ESKETAMINE, partial).select(
        "clinic_id", subject_id=named(pl.col("lot")), row_id="dose_id", at="started_at",
        reason=pl.when(devices.is_null())
        .then(sentence("{} mg of esketamine given", exact_words(amount)))
        .otherwise(
            sentence(
                "{} mg of esketamine given from {}",
                exact_words(amount), count_words(devices, "device"),
            )
        ),
    )  # fmt: skip
    return counted(events, signal, "doses")


def _whole(amount: pl.Expr, signal: Signal) -> pl.Expr:
    return millionths(amount) % _device(signal) == 0


def _device(signal: Signal) -> pl.Expr:
    return pl.lit(round(signal.parameters["device_mg"] * 1_000_000), pl.Int128)


def _done() -> pl.Expr:
    kind = pl.col("kind")
    return pl.when(kind == "count").then(pl.lit("counted")).otherwise(kind)
