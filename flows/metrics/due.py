"""What is due soon: credentials of staff, and monitoring forms of the REMS."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from protocols.times import INSTANT, local_day

CREDENTIALS = ("license", "bls", "acls", "dea")
NOTICE_DAYS = 90  # a house figure: renewals take their time
FORM_DAYS = 7  # the REMS asks for the form within seven days of the session


def credentials_due(
    staff: pl.LazyFrame, clinics: pl.LazyFrame, as_of: datetime, zones: Sequence[str]
) -> pl.LazyFrame:
    """Credentials that have expired or will within NOTICE_DAYS, of those at work on as_of's local
    day. `clinics`: clinic_id, _zone; staff of no clinic are at each.
    """
    everywhere = (
        staff.filter(pl.col("clinic_id").is_null())
        .drop("clinic_id")
        .join(clinics.select("clinic_id"), how="cross")
    )
    own = staff.filter(pl.col("clinic_id").is_not_null())
    kept = ("clinic_id", "staff_id", "role", "active_from", "active_to")
    ends = [f"{name}_expires_on" for name in CREDENTIALS]
    today = pl.col("_today")
    return (
        pl.concat([own.select(*kept, *ends), everywhere.select(*kept, *ends)])
        .join(_today(clinics, as_of, zones), on="clinic_id")
        .filter(
            (pl.col("active_from") <= today).fill_null(value=True),
            (pl.col("active_to") >= today).fill_null(value=True),
        )
        .unpivot(
            ends, index=["clinic_id", "staff_id", "role", "_today"],
            variable_name="credential", value_name="expires_on",
        )
        .with_columns(
            pl.col("credential").str.strip_suffix("_expires_on"),
            days_left=(pl.col("expires_on") - today).dt.total_days(),
        )
        .filter(pl.col("days_left") <= NOTICE_DAYS)
        .with_columns(
            status=pl.when(pl.col("days_left") < 0).then(pl.lit("expired")).otherwise(pl.lit("due"))
        )
    )  # fmt: skip


def rems_forms_due(
    sessions: pl.LazyFrame, clinics: pl.LazyFrame, as_of: datetime, zones: Sequence[str]
) -> pl.LazyFrame:
    """Sessions whose form was not sent by `as_of`. `sessions`: those with a dose of esketamine,
    the first at `dosed_at`; `clinics`: clinic_id, _zone, and their `cutoff` of sessions.

    *overdue*: the last day had ended by the cut-off; *awaiting_delivery*: it is over, but whether
    the form was sent has not been delivered; *due* else.
    """
    unsent = (pl.col("rems_form_sent_at") > pl.lit(as_of, INSTANT)).fill_null(value=True)
    left, due_on = pl.col("days_left"), pl.col("due_on")
    over = due_on < local_day(pl.col("cutoff") + pl.duration(microseconds=1), zones)
    return (
        sessions.filter(unsent)
        .join(clinics.select("clinic_id", "_zone", "cutoff"), on="clinic_id")
        .join(_today(clinics, as_of, zones), on="clinic_id")
        .with_columns(
            due_on=local_day(pl.col("dosed_at"), zones) + pl.duration(days=FORM_DAYS)
        )
        .with_columns(days_left=(due_on - pl.col("_today")).dt.total_days())
        .with_columns(
            status=pl.when(left >= 0).then(pl.lit("due"))
            .when(over).then(pl.lit("overdue"))
            .otherwise(pl.lit("awaiting_delivery"))
        )
    )  # fmt: skip


def _today(clinics: pl.LazyFrame, as_of: datetime, zones: Sequence[str]) -> pl.LazyFrame:
    """The local day of `as_of` at each clinic."""
    return clinics.with_columns(_at=pl.lit(as_of, INSTANT)).select(
        "clinic_id", _today=local_day(pl.col("_at"), zones)
    )
