"""What a session costs: time-driven activity-based costing by the rates in force on its day.

What is costed, and how, is said in `protocols/costs.yaml`, and in words in
`docs/reference/definitions/cost.md`. All money is in whole millionths (`flows.metrics.money`) until
it is a column of a mart. What is missing makes its part null, and is named in `missing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import polars as pl

from flows.metrics.money import MILLION, decimals, divided, millionths
from flows.metrics.prices import PLACE, prices
from protocols.costs import Costs, hour, minutes
from protocols.times import local_day

SESSION = ("clinic_id", "session_id")
GROUP = ("clinic_id", "program", "month")
PARTS = ("drug_usd", "waste_usd", "staff_usd", "room_usd", "supplies_usd", "overhead_usd")
PAID = ("billed_usd", "allowed_usd", "payer_paid_usd", "patient_owed_usd", "patient_paid_usd")
_HOUR_MICROSECONDS = 3_600 * MILLION


def cost_sessions(
    sessions: pl.LazyFrame,
    doses: pl.LazyFrame,
    rates: pl.LazyFrame,
    revenue: pl.LazyFrame,
    billing: pl.LazyFrame,
    held: Costs,
    zones: Sequence[str],
) -> pl.LazyFrame:
    """One row is one session that was completed or aborted: what it cost by part, in millionths,
    and its money as `flows.metrics.revenue.session_revenue` gives it.

    `sessions` have PLACE, `_zone` and, where they have no start, that of their first dose;
    `billing` are the clinics (clinic_id) that ever delivered charges.
    """
    placed = sessions.with_columns(
        local_date=local_day(pl.coalesce("started_at", "scheduled_at"), zones)
    ).with_columns(month=pl.col("local_date").dt.truncate("1mo"))
    known = prices(_days(placed), rates, held.resources)
    rows = placed.join(_dosed(doses, held), on=SESSION, how="left").join(
        known, on=[*PLACE, "local_date"], how="left"
    )
    needed = _needed(held)
    return (
        _with_revenue(rows, revenue, billing)
        .with_columns(
            **_parts(held),
            missing=pl.concat_list(
                pl.when(lacks).then(pl.lit(name)) for name, lacks in needed.items()
            ).list.drop_nulls(),
        )
        .with_columns(cost_usd=reduce(lambda a, b: a + b, map(pl.col, PARTS)))
        .with_columns(
            margin_usd=pl.col("payer_paid_usd") + pl.col("patient_paid_usd") - pl.col("cost_usd"),
            patient_share=patient_share(),
        )
    )


def _days(rows: pl.LazyFrame) -> pl.LazyFrame:
    return (
        rows.filter(pl.col("local_date").is_not_null()).select(*PLACE, "local_date").unique()
    )  # fmt: skip


def _dosed(doses: pl.LazyFrame, held: Costs) -> pl.LazyFrame:
    """Milligrams that the clinic pays for, given and wasted, by session and drug; null without a
    dose of the drug."""
    paid = ~pl.col("acquisition").is_in(list(held.costing.free.acquisitions))
    wasted = pl.col("wasted_mg").fill_null(0)
    kept = doses.filter(paid.fill_null(value=True) & pl.col("session_id").is_not_null())
    sums = {
        f"{what}_{drug}": pl.when((pl.col("drug") == drug).any()).then(
            millionths(mg).filter(pl.col("drug") == drug).sum()
        )
        for drug in held.costing.drugs.rates
        for what, mg in (("given", pl.col("amount_mg")), ("wasted", wasted))
    }
    return kept.group_by(SESSION).agg(**sums)


def _parts(held: Costs) -> dict[str, pl.Expr]:
    """The six parts; null where a rate or a time is missing."""
    stay = (pl.col("discharged_at") - pl.col("arrived_at")).dt.total_microseconds()
    room = pl.when(stay >= 0).then(stay.cast(pl.Int128) * pl.col("room_hour"))
    dated = pl.when(pl.col("local_date").is_not_null())
    return {
        "drug_usd": divided(_of_drugs("given", held), MILLION),
        "waste_usd": divided(_of_drugs("wasted", held), MILLION),
        "staff_usd": dated.then(_staff_usd(held)),
        "room_usd": divided(room, _HOUR_MICROSECONDS),
        "supplies_usd": pl.col("supplies_session"),
        "overhead_usd": pl.col("overhead_session"),
    }


def _of_drugs(what: str, held: Costs) -> pl.Expr:
    nothing = pl.lit(0, pl.Int128)
    each = [
        pl.when(pl.col(f"{what}_{drug}").is_null())
        .then(nothing)
        .otherwise(pl.col(f"{what}_{drug}") * pl.col(rate))
        for drug, rate in held.costing.drugs.rates.items()
    ]
    return reduce(lambda a, b: a + b, each)


def _staff_usd(held: Costs) -> pl.Expr:
    """Minutes x hour of each role that has minutes."""
    each = [
        pl.when(pl.col(minutes(role)).fill_null(0) == 0)
        .then(pl.lit(0, pl.Int128))
        .otherwise(pl.col(minutes(role)) * pl.col(hour(role)))
        for role in held.costing.staff.roles
    ]
    return divided(reduce(lambda a, b: a + b, each), 60 * MILLION)


def _needed(held: Costs) -> dict[str, pl.Expr]:
    """What a session lacks of what its cost needs, by name."""
    dated = pl.col("local_date").is_not_null()
    drugs = {
        rate: pl.col(f"given_{drug}").is_not_null() & pl.col(rate).is_null()
        for drug, rate in held.costing.drugs.rates.items()
    }
    roles = {
        hour(role): (pl.col(minutes(role)) > 0) & pl.col(hour(role)).is_null()
        for role in held.costing.staff.roles
    }
    others = {
        name: pl.col(name).is_null() for name in ("room_hour", "supplies_session",
                                                  "overhead_session")
    }  # fmt: skip
    came, left = pl.col("arrived_at"), pl.col("discharged_at")
    return {
        "local_date": ~dated,
        **{name: dated & lacks for name, lacks in (drugs | roles | others).items()},
        "arrived_at": came.is_null(),
        "discharged_at": left.is_null(),
        "discharged_at before arrived_at": (left < came).fill_null(value=False),
    }


def _with_revenue(rows: pl.LazyFrame, revenue: pl.LazyFrame, billing: pl.LazyFrame) -> pl.LazyFrame:
    """A session without a charge was billed nothing and paid nothing, where the clinic ever
    delivered charges; else nothing is known of its money."""
    nothing = pl.when(pl.col("_bills")).then(pl.lit(0, pl.Int128))
    return (
        rows.join(revenue, on=SESSION, how="left")
        .join(billing.select("clinic_id", _bills=pl.lit(value=True)), on="clinic_id", how="left")
        .with_columns(
            pl.col("charges").fill_null(0),
            *(pl.coalesce(name, nothing).alias(name)
              for name in ("billed_usd", "payer_paid_usd", "patient_paid_usd")),
        )
    )  # fmt: skip


def patient_share() -> pl.Expr:
    """The patient's part of what was paid; null where nothing was."""
    by_patient = pl.col("patient_paid_usd")
    paid = by_patient + pl.col("payer_paid_usd")
    return pl.when(paid > 0).then(by_patient.cast(pl.Float64) / paid.cast(pl.Float64))


def cost_missing(rows: pl.LazyFrame) -> pl.LazyFrame:
    """One row is one thing that sessions of a group lack for their cost, and how many lack it."""
    return (
        rows.select(*GROUP, "local_date", "missing")
        .explode("missing")
        .filter(pl.col("missing").is_not_null())
        .group_by(*GROUP, "missing")
        .agg(
            sessions=pl.len().cast(pl.Int64),
            first_on=pl.col("local_date").min(),
            last_on=pl.col("local_date").max(),
        )
    )


def cost_no_shows(
    sessions: pl.LazyFrame, rates: pl.LazyFrame, held: Costs, zones: Sequence[str]
) -> pl.LazyFrame:
    """One row is the no-shows of one clinic, programme and local month: the room for the minutes
    that were booked, and the staff of a session. `sessions` as for `cost_sessions`.
    """
    placed = sessions.with_columns(local_date=local_day(pl.col("scheduled_at"), zones))
    booked = pl.col("scheduled_minutes").cast(pl.Int128) * pl.col("room_hour")
    room = divided(booked, 60)
    costed = placed.join(
        prices(_days(placed), rates, held.resources), on=[*PLACE, "local_date"], how="left"
    ).with_columns(
        month=pl.col("local_date").dt.truncate("1mo"),
        _cost=room + _staff_usd(held),
    )
    some = pl.col("_cost").is_not_null()
    return costed.group_by(GROUP).agg(
        no_shows=pl.len().cast(pl.Int64),
        no_shows_costed=some.sum().cast(pl.Int64),
        scheduled_minutes=pl.col("scheduled_minutes").sum(),
        cost_usd=pl.when(some.any()).then(pl.col("_cost").sum()),
    )


def in_dollars(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Every column of millionths as an amount."""
    return rows.with_columns(
        decimals(pl.col(name)).alias(name)
        for name, kind in rows.collect_schema().items()
        if name.endswith("_usd") and kind == pl.Int128
    )
