"""Rates in force: what each resource costs at a clinic, for a programme, on a local day.

A clinic's rate for the programme goes before the clinic's own, that before the network's for the
programme, that before the network's; within one of these the latest that has begun counts (of two
that begin on one day, the one of the least rate_id).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.metrics.money import millionths

PLACE = ("clinic_id", "own_program", "program")
# Whose rates, and the column that their programme is looked up by (None: a rate of every one).
_LEVELS = (
    ("clinic", "own_program"), ("clinic", "program"), ("clinic", None),
    ("network", "own_program"), ("network", "program"), ("network", None),
)  # fmt: skip


def prices(days: pl.LazyFrame, rates: pl.LazyFrame, resources: Sequence[str]) -> pl.LazyFrame:
    """`days` (PLACE, local_date; none null) with a column each of `resources`: millionths of the
    rate in force, null where there is none. A rate's programme may be named as the network names it
    (`own_program`) or as protocols do (`program`).
    """
    found = days.sort("local_date")
    for at, (whose, program) in enumerate(_LEVELS):
        found = _joined(found, rates, resources, whose, program, at)
    levels = range(len(_LEVELS))
    return found.select(
        *PLACE,
        "local_date",
        *(pl.coalesce(f"{name}_{at}" for at in levels).alias(name) for name in resources),
    )


def _joined(
    found: pl.LazyFrame,
    rates: pl.LazyFrame,
    resources: Sequence[str],
    whose: str,
    program: str | None,
    level: int,
) -> pl.LazyFrame:
    """The latest rates of one level, as columns `<resource>_<level>`."""
    of_clinic, for_one = pl.col("clinic_id").is_not_null(), pl.col("program").is_not_null()
    mine = rates.filter(
        (of_clinic if whose == "clinic" else ~of_clinic), (for_one if program else ~for_one)
    )
    keys = {"clinic_id": "clinic_id"} if whose == "clinic" else {}
    if program:
        keys["_program"] = program
    named = mine.with_columns(_program=pl.col("program"))
    amount = millionths(pl.col("amount"))
    steps = (
        named.sort(*keys, "effective_from", "rate_id")
        .group_by([*keys, "effective_from"], maintain_order=True)
        .agg(
            amount.filter(pl.col("resource") == name).first().alias(f"{name}_{level}")
            for name in resources
        )
        .with_columns(_forward([f"{name}_{level}" for name in resources], list(keys)))
        .rename({"effective_from": "_from", **{key: f"_{key}_{level}" for key in keys}})
        .sort("_from")
    )
    return found.join_asof(
        steps,
        left_on="local_date",
        right_on="_from",
        by_left=list(keys.values()) or None,
        by_right=[f"_{key}_{level}" for key in keys] or None,
        check_sortedness=False,
    ).drop("_from", strict=False)


def _forward(columns: list[str], keys: list[str]) -> list[pl.Expr]:
    filled = [pl.col(name).forward_fill() for name in columns]
    return [each.over(keys) for each in filled] if keys else filled
