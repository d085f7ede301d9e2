"""Cost by month, by course of treatment, and by what courses achieved.

A session or a course whose cost is not known is in no cost and in no ratio of one: it is counted
apart (`..._costed` says how many are in).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.intervals import wilson_of_columns
from flows.metrics.cost import PAID, patient_share
from flows.metrics.money import divided, multiplied
from flows.metrics.outcomes import COURSE
from flows.metrics.revenue import ANSWERS
from protocols.costs import Costs
from protocols.times import INSTANT, local_day

MONTH = ("clinic_id", "program", "payer_kind", "month")
COHORT = ("clinic_id", "protocol", "program", "instrument", "month")


def cost_monthly(rows: pl.LazyFrame, compliant: pl.LazyFrame) -> pl.LazyFrame:
    """One row is the sessions of one clinic, programme, payer and local month: sums, and ratios of
    those that are costed; days are means. `rows` are of `cost_sessions`, with their month.

    `compliant` are sessions (clinic_id, session_id) that are so under all protocols that govern
    them.
    """
    is_compliant = pl.col("_compliant").fill_null(value=False)
    costed, cost = pl.col("cost_usd").is_not_null(), pl.col("cost_usd")
    answered, denied = pl.col("answered"), pl.col("denied_first")
    low, high = wilson_of_columns(denied, answered)
    return (
        rows.join(
            compliant.select("clinic_id", "session_id", _compliant=pl.lit(value=True)),
            on=["clinic_id", "session_id"],
            how="left",
        )
        .group_by(MONTH)
        .agg(
            sessions=pl.len().cast(pl.Int64),
            sessions_costed=costed.sum().cast(pl.Int64),
            sessions_without_charge=(pl.col("charges") == 0).sum().cast(pl.Int64),
            compliant_sessions=is_compliant.sum().cast(pl.Int64),
            compliant_costed=(is_compliant & costed).sum().cast(pl.Int64),
            **{name: _sum(name) for name in ("cost_usd", "margin_usd", *PAID)},
            **{name: pl.col(name).sum() for name in ANSWERS},
        )
        .with_columns(
            cost_per_session_usd=divided(cost, pl.col("sessions_costed")),
            cost_per_compliant_session_usd=divided(cost, pl.col("compliant_costed")),
            first_pass_denial_rate=_mean(denied, answered),
            first_pass_denial_low=low,
            first_pass_denial_high=high,
            days_to_submit=_mean(pl.col("submit_days"), pl.col("submitted")),
            days_to_payment=_mean(pl.col("payment_days"), pl.col("payments")),
        )
        .rename(
            {
                "answered": "charges_answered",
                "denied_first": "charges_denied_first",
                "pending": "charges_pending",
            }
        )
        .sort(MONTH)
    )


def _sum(name: str) -> pl.Expr:
    """Null where nothing is known."""
    held = pl.col(name)
    return pl.when(held.is_not_null().any()).then(held.sum()).alias(name)


def _mean(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    return pl.when(count > 0).then(total / count)


def cost_courses(
    courses: pl.LazyFrame,
    costed: pl.LazyFrame,
    cutoffs: pl.LazyFrame,
    held: Costs,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """One row is one course of `flows.metrics.outcomes.courses_of`. `costed` are its sessions
    (COURSE) with their cost and money in millionths; `cutoffs` are the clinics' of sessions.

    `cost_by_outcome_usd` is the cost up to the last day of the protocol's time for its outcome.
    """
    first_day = local_day(pl.col("course_started_at"), zones)
    last_day = local_day(pl.col("last_started_at"), zones)
    known = pl.col("cost_usd").is_not_null()
    by_outcome = pl.col("local_date") <= pl.col("_start_day") + pl.duration(
        days=pl.col("_day") + pl.col("_within") - 1
    )
    starts = courses.with_columns(_start_day=first_day)
    sums = (
        costed.join(starts.select(*COURSE, "_start_day", "_day", "_within"), on=COURSE)
        .group_by(COURSE)
        .agg(
            sessions_costed=known.sum().cast(pl.Int64),
            cost_usd=pl.when(known.all()).then(pl.col("cost_usd").sum()),
            cost_by_outcome_usd=pl.when(known.all() & pl.col("_day").is_not_null().first()).then(
                pl.col("cost_usd").filter(by_outcome).sum()
            ),
            **{name: _sum(name) for name in PAID},
            first_bill_on=pl.col("billed_to_patient_on").min(),
        )
    )
    bill, within = pl.col("first_bill_on"), pl.duration(days=held.costing.bill.days)
    return (
        starts.join(sums, on=COURSE, how="left")
        .join(cutoffs, on="clinic_id", how="left")
        .with_columns(
            ended=(pl.col("treated_until") < pl.col("cutoff")).fill_null(value=False),
            last_session_on=last_day,
            patient_share=patient_share(),
        )
        .with_columns(
            ended_after_bill=pl.when(pl.col("ended") & bill.is_not_null()).then(
                (bill >= pl.col("last_session_on")) & (bill <= pl.col("last_session_on") + within)
            )
        )
        .sort(COURSE)
    )


def cost_cohorts(
    outcomes: pl.LazyFrame, courses: pl.LazyFrame, held: Costs, zones: Sequence[str]
) -> pl.LazyFrame:
    """One row is the mature courses that started in one local month, as in `outcome_cohorts`, and
    what they cost. `outcomes` are rows of `outcome_courses`, `courses` of `cost_courses`, the money
    in millionths.
    """
    responded = pl.col("response_at_induction_end").fill_null(value=False)
    remitted = pl.col("remission_at_induction_end").fill_null(value=False)
    costed = pl.col("cost_usd").is_not_null()
    of_month, share = multiplied(pl.col("cost_usd"), held.costing.month.days)
    by_outcome = pl.col("cost_by_outcome_usd")
    rows = (
        outcomes.filter(pl.col("is_primary") & pl.col("mature"))
        .join(courses.select(*COURSE, "_zone", "cost_usd", "cost_by_outcome_usd"), on=COURSE,
              how="left")
        .with_columns(
            month=local_day(pl.col("course_started_at"), zones).dt.truncate("1mo"),
            _days=_response_days(zones),
        )
    )  # fmt: skip
    return (
        rows.group_by(COHORT)
        .agg(
            courses_started=pl.len().cast(pl.Int64),
            courses_without_outcome=pl.col("induction_end").is_null().sum().cast(pl.Int64),
            responders=responded.sum().cast(pl.Int64),
            remitters=remitted.sum().cast(pl.Int64),
            courses_costed=costed.sum().cast(pl.Int64),
            responders_costed=(responded & costed).sum().cast(pl.Int64),
            remitters_costed=(remitted & costed).sum().cast(pl.Int64),
            response_days=pl.col("_days").filter(costed).sum(),
            cost_usd=_sum("cost_usd"),
            cost_by_outcome_usd=_sum("cost_by_outcome_usd"),
        )
        .with_columns(
            cost_per_responder_usd=divided(pl.col("cost_usd"), pl.col("responders_costed")),
            cost_per_remitter_usd=divided(pl.col("cost_usd"), pl.col("remitters_costed")),
            cost_by_outcome_per_responder_usd=divided(by_outcome, pl.col("responders_costed")),
            cost_by_outcome_per_remitter_usd=divided(by_outcome, pl.col("remitters_costed")),
            cost_per_response_month_usd=divided(of_month, pl.col("response_days") * share),
        )
        .sort(COHORT)
    )


def _response_days(zones: Sequence[str]) -> pl.Expr:
    """Local days from the first response to the relapse, else to the last score under treatment; 0
    without a response while treated."""
    treated = pl.col("responded_at") <= pl.col("treated_until")
    relapsed = (pl.col("relapsed_at") <= pl.col("treated_until")).fill_null(value=False)
    end = pl.when(relapsed).then("relapsed_at").otherwise("followed_until").cast(INSTANT)
    days = (local_day(end, zones) - local_day(pl.col("responded_at"), zones)).dt.total_days()
    return pl.when(treated).then(days).otherwise(0)
