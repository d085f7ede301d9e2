"""Revenue: what a session's charges say, and how its payers answered at first.

Charges are those in force that name the session; their earlier versions tell the first answer.
"""

from __future__ import annotations

import polars as pl

from flows.metrics.cost import SESSION
from flows.metrics.money import millionths
from protocols.costs import Costs

CHARGE = ("clinic_id", "charge_id")
ANSWERS = ("answered", "denied_first", "pending", "submitted", "submit_days", "payments",
           "payment_days")  # fmt: skip


def session_revenue(charges: pl.LazyFrame, versions: pl.LazyFrame, held: Costs) -> pl.LazyFrame:
    """One row is one session: its money in millionths, the payer of its largest charge, its
    patient's first bill, and sums of its charges' answers (ANSWERS).

    `versions` are earlier versions of charges (CHARGE, status), in order by `said_at`, `content`.
    """
    usd = {name: millionths(pl.col(name)) for name in
           ("billed_usd", "payer_paid_usd", "patient_paid_usd")}  # fmt: skip
    told = {name: millionths(pl.col(name)) for name in ("allowed_usd", "patient_owed_usd")}
    answered = _answered(charges, versions, held)
    billed = pl.col("billed_to_patient_on").filter(pl.col("patient_owed_usd") > 0)
    return (
        answered.filter(pl.col("session_id").is_not_null())
        .sort("billed_usd", "charge_id", descending=[True, False])
        .group_by(SESSION, maintain_order=True)
        .agg(
            charges=pl.len().cast(pl.Int64),
            payer_kind=pl.col("payer_kind").first(),
            **{name: each.sum() for name, each in usd.items()},
            **{
                name: pl.when(pl.col(name).is_not_null().any()).then(each.sum())
                for name, each in told.items()
            },
            billed_to_patient_on=billed.min(),
            **{name: pl.col(f"_{name}").sum().cast(pl.Int64) for name in ANSWERS},
        )
    )


def _answered(charges: pl.LazyFrame, versions: pl.LazyFrame, held: Costs) -> pl.LazyFrame:
    """Charges with their first answer, and their days from service to submission and from there to
    the payer's payment; days that run backwards are left out."""
    rules = held.costing.answers
    decided = pl.col("status").is_in(list(rules.decided))
    earlier = (
        versions.filter(decided)
        .sort(*CHARGE, "said_at", "content")
        .group_by(CHARGE, maintain_order=True)
        .agg(_first=pl.col("status").first())
    )
    first = pl.coalesce("_first", pl.when(decided).then(pl.col("status")))
    to_submit = (pl.col("submitted_on") - pl.col("service_on")).dt.total_days()
    paid = pl.col("status") == rules.paid
    to_payment = pl.when(paid).then(
        (pl.col("adjudicated_on") - pl.col("submitted_on")).dt.total_days()
    )
    return (
        charges.join(earlier, on=CHARGE, how="left")
        .with_columns(
            _answered=first.is_not_null(),
            _pending=pl.col("status") == rules.pending,
            _denied_first=(first == rules.denied).fill_null(value=False),
            _submit_days=pl.when(to_submit >= 0).then(to_submit),
            _payment_days=pl.when(to_payment >= 0).then(to_payment),
        )
        .with_columns(
            _submitted=pl.col("_submit_days").is_not_null(),
            _payments=pl.col("_payment_days").is_not_null(),
        )
    )
