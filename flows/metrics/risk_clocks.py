"""Risk signals of time at the stock book: counts that are overdue, losses that were told late.

Days are the clinic's local ones. What was found missing is a possible loss: whether it is
significant, and so must be told, is the registrant's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from flows.metrics.flags import counted, worst
from flows.metrics.lot_balance import LOT
from protocols.risk import Signal
from protocols.sentences import count_words, day_words, exact_words, sentence
from protocols.times import local_day

_DRUG = ("clinic_id", "drug")
_DISCOVERED = pl.col("discovered_at")


def clinic_counts_overdue(
    entries: pl.LazyFrame, balance: pl.LazyFrame, signal: Signal, zones: Sequence[str]
) -> pl.LazyFrame:
    """Days since a clinic's drugs should have been counted again, of drugs that are in stock.

    `entries` with `_zone` and the `cutoff` of their clinic's stock book; `balance`: `lot_balance`.
    """
    held = entries.join(_in_stock(balance), on=_DRUG, how="semi")
    return worst(_overdue(held, _DRUG, "clinic_id", signal, zones), signal, "inventory")


def lot_counts_overdue(
    entries: pl.LazyFrame, balance: pl.LazyFrame, signal: Signal, zones: Sequence[str]
) -> pl.LazyFrame:
    """The same of each lot that is in stock."""
    held = entries.join(_in_stock(balance), on=LOT, how="semi")
    return worst(_overdue(held, LOT, "lot", signal, zones), signal, "inventory")


def _in_stock(balance: pl.LazyFrame) -> pl.LazyFrame:
    return balance.filter(pl.col("on_hand_mg") > 0)


def _overdue(
    entries: pl.LazyFrame, of: Sequence[str], subject: str, signal: Signal, zones: Sequence[str]
) -> pl.LazyFrame:
    """From the last count, else from the first entry, so many calendar months; then it is due."""
    is_count, day = pl.col("kind") == "count", local_day(pl.col("at"), zones)
    step = f"{round(signal.parameters['months'])}mo"
    since = (
        entries.sort("occurred_at", "entry_id")
        .group_by(of, maintain_order=True)
        .agg(
            pl.col("_zone", "cutoff").first(),
            counted=is_count.any(),
            at=pl.coalesce(pl.col("occurred_at").filter(is_count).last(), pl.first("occurred_at")),
            row_id=pl.coalesce(pl.col("entry_id").filter(is_count).last(), pl.first("entry_id")),
        )
    )
    late = (local_day(pl.col("cutoff"), zones) - day.dt.offset_by(step)).dt.total_days()
    overdue = sentence("a count has been due for {}", count_words(late, "day"))
    said = pl.when("counted").then(pl.lit("last counted on")).otherwise(
        pl.lit("never counted, in stock since")
    )  # fmt: skip
    return since.filter(late > 0).select(
        "clinic_id", "row_id", "at",
        subject_id=subject,
        observed=late.cast(pl.Float64),
        reason=sentence("{} {} {}: {}", pl.col("drug"), said, day_words(day), overdue),
    )  # fmt: skip


def losses_told_late(
    losses: pl.LazyFrame, signal: Signal, zones: Sequence[str], holidays: Sequence[date]
) -> pl.LazyFrame:
    """Business days from the discovery of a possible loss to its notice, else to the cut-off.

    `losses`: entries that `possible_losses` gives.
    """
    day = pl.duration(days=1)
    found, told = _days("dea_notified_at", zones)
    passed = pl.business_day_count(found + day, told + day, holidays=holidays)
    return _clock(losses, signal, "dea_notified_at", passed, "business day", "told")


def loss_forms_late(losses: pl.LazyFrame, signal: Signal, zones: Sequence[str]) -> pl.LazyFrame:
    """Calendar days from the discovery of a possible loss to its Form 106, else to the cut-off."""
    found, sent = _days("form106_submitted_at", zones)
    passed = (sent - found).dt.total_days()
    return _clock(losses, signal, "form106_submitted_at", passed, "day", "reported on Form 106")


def losses_undated(losses: pl.LazyFrame, signal: Signal) -> pl.LazyFrame:
    """Possible losses of which no discovery was charted, so that no clock runs."""
    events = losses.filter(_DISCOVERED.is_null()).select(
        "clinic_id", subject_id="lot", row_id="entry_id", at="occurred_at",
        reason=sentence("possible loss of {}, discovered on no charted day", _missing()),
    )  # fmt: skip
    return counted(events, signal, "inventory")


def possible_losses(entries: pl.LazyFrame) -> pl.LazyFrame:
    """Entries of the kind `lost`, and those of another with a discovery."""
    return entries.filter((pl.col("kind") == "lost") | _DISCOVERED.is_not_null())


def _days(ended: str, zones: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    """The local day of discovery, and that on which the clock stopped, else the cut-off's."""
    stopped = pl.min_horizontal(ended, "cutoff")
    return local_day(_DISCOVERED, zones), local_day(stopped, zones)


def _clock(
    losses: pl.LazyFrame, signal: Signal, ended: str, passed: pl.Expr, unit: str, done: str
) -> pl.LazyFrame:
    open_ = pl.col(ended).is_null() | (pl.col(ended) > pl.col("cutoff"))
    negation = pl.when(open_).then(pl.lit("not ")).otherwise(pl.lit(""))
    events = losses.filter(pl.col("cutoff") >= _DISCOVERED).select(
        "clinic_id",
        subject_id="lot",
        row_id="entry_id",
        at=_DISCOVERED,
        observed=passed.cast(pl.Float64),
        reason=sentence(
            "possible loss of {}, {}{} after {}",
            _missing(), negation, pl.lit(done), count_words(passed, unit),
        ),
    )  # fmt: skip
    return worst(events, signal, "inventory")


def _missing() -> pl.Expr:
    return sentence("{} mg of {}", exact_words(pl.col("amount_mg")), pl.col("drug"))
