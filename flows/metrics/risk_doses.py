"""Risk signals where doses and the stock book disagree, and of what was opened.

Both are added up by lot and session, in whole millionths of a milligram: a dose in two entries, or
two doses in one, agree. What one of the two cannot have been told yet is not looked at, nor what
may lie in quarantine.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from flows.metrics.flags import counted, since, worst
from flows.metrics.money import decimals, millionths
from flows.metrics.stock import named
from protocols.risk import Signal
from protocols.sentences import day_words, exact_words, sentence
from protocols.times import local_day

_SESSION = ("clinic_id", "drug", "session_id")
_KEY = (*_SESSION, "lot")
_AMOUNT = pl.col("_amount")


def doses_not_in_stock(
    doses: pl.LazyFrame,
    entries: pl.LazyFrame,
    unknown: pl.LazyFrame,
    signal: Signal,
    as_of: datetime,
) -> pl.LazyFrame:
    """Doses, by session, of which the stock book knows less than was given.

    `doses`: those up to the cut-off of the clinic's stock book. `unknown`: clinic_id, session_id of
    sessions with an entry in quarantine. A drug that the clinic's book never names is not judged.
    """
    kept = entries.select("clinic_id", "drug").unique()
    given = _of_lots(doses, entries).join(kept, on=["clinic_id", "drug"], how="semi")
    return _less(
        given, "dose_id", "started_at", _administered(entries), unknown, signal, as_of, "doses",
        "{} mg of {} given, {} mg of it in the stock book",
    )  # fmt: skip


def stock_not_in_doses(
    entries: pl.LazyFrame,
    doses: pl.LazyFrame,
    unknown: pl.LazyFrame,
    signal: Signal,
    as_of: datetime,
) -> pl.LazyFrame:
    """Entries of what was given, by session, of which fewer milligrams were charted as a dose.

    `entries`: those up to the cut-off of the clinic's doses. `unknown` as above, with a dose there.
    """
    return _less(
        _administered(entries), "entry_id", "occurred_at", _of_lots(doses, entries), unknown,
        signal, as_of, "inventory", "{} mg of {} booked as given, {} mg of it charted as a dose",
    )  # fmt: skip


def _less(
    those: pl.LazyFrame,
    row_id: str,
    at: str,
    others: pl.LazyFrame,
    unknown: pl.LazyFrame,
    signal: Signal,
    as_of: datetime,
    feed: str,
    reason: str,
) -> pl.LazyFrame:
    """Sums of `those` by key that exceed the others' sum, each of them one event."""
    mine = (
        those.sort(at, row_id)
        .group_by(_KEY, maintain_order=True)
        .agg(_sum=_AMOUNT.sum(), at=pl.col(at).last(), row_id=pl.col(row_id).last())
    )
    theirs = others.group_by(_KEY).agg(_known=_AMOUNT.sum())
    slack = pl.lit(round(signal.parameters["tolerance_mg"] * 1_000_000), pl.Int128)
    known = pl.col("_known").fill_null(0)
    events = (
        mine.join(theirs, on=_KEY, how="left", nulls_equal=True)
        .join(unknown, on=["clinic_id", "session_id"], how="anti")
        .filter(pl.col("_sum") - known > slack)
        .select(
            "clinic_id", "row_id", "at",
            subject_id=named(pl.col("lot")),
            reason=sentence(
                reason, exact_words(decimals(pl.col("_sum"))), "drug", exact_words(decimals(known))
            ),
        )
    )  # fmt: skip
    return counted(since(events, signal, as_of), signal, feed)


def _administered(entries: pl.LazyFrame) -> pl.LazyFrame:
    given = entries.filter(pl.col("kind") == "administered")
    return given.with_columns(_amount=millionths(pl.col("amount_mg")))


def _of_lots(doses: pl.LazyFrame, entries: pl.LazyFrame) -> pl.LazyFrame:
    """Doses with their lot: where none was charted, that of the session's first entry."""
    booked = (
        _administered(entries)
        .filter(pl.col("session_id").is_not_null())
        .group_by(_SESSION)
        .agg(_booked=pl.col("lot").sort_by("occurred_at", "entry_id").first())
    )
    return doses.join(booked, on=_SESSION, how="left").with_columns(
        lot=pl.coalesce("lot", "_booked"), _amount=millionths(pl.col("amount_mg"))
    )


def unrecorded_waste(doses: pl.LazyFrame, signal: Signal, zones: Sequence[str]) -> pl.LazyFrame:
    """What was opened of a lot on a local day beyond what was given and wasted of it.

    A vial for several doses is opened once that day; null `opened_mg` and `wasted_mg` are 0.
    """
    used = millionths(pl.col("amount_mg")) + _zero(pl.col("wasted_mg"))
    by_day = ("clinic_id", "drug", "lot", "day")
    left = (_zero(pl.col("opened_mg")) - used).sum().over(by_day)
    events = (
        doses.with_columns(day=local_day(pl.col("started_at"), zones))
        .with_columns(_left=left)
        .filter(pl.col("_left") > 0)
        .select(
            "clinic_id",
            subject_id=named(pl.col("lot")),
            row_id="dose_id",
            at="started_at",
            observed=decimals(pl.col("_left")).cast(pl.Float64),
            reason=sentence(
                "{} mg of {} opened on {} were neither given nor charted as wasted",
                exact_words(decimals(pl.col("_left"))), pl.col("drug"), day_words("day"),
            ),
        )
    )  # fmt: skip
    return worst(events, signal, "doses")


def _zero(amount: pl.Expr) -> pl.Expr:
    return millionths(amount.fill_null(0))
