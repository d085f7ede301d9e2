"""What Keel finds in a small world: its tables of operations as plain rows."""

from __future__ import annotations

from typing import Any

import polars as pl

from flows.metrics.due import credentials_due, rems_forms_due
from flows.metrics.operations import operations_monthly
from protocols.facts import Facts
from protocols.times import INSTANT
from tests.oracle import World
from tests.worlds import as_facts

Rows = list[dict[str, Any]]


def found_monthly(world: World) -> Rows:
    facts = as_facts(world)
    sessions = facts.evidence("sessions").with_columns(started_at=pl.col("_at"))
    hours = facts.frames["hours"]
    rows = operations_monthly(sessions, _clinics(facts), hours, facts.as_of, facts.zone_names)
    return rows.collect().to_dicts()


def found_credentials(world: World) -> Rows:
    facts = as_facts(world)
    staff = facts.frames["staff"]
    return (
        credentials_due(staff, _clinics(facts), facts.as_of, facts.zone_names).collect().to_dicts()
    )


def found_forms(world: World) -> Rows:
    facts = as_facts(world)
    first = (
        facts.evidence("doses")
        .filter(pl.col("drug") == "esketamine")
        .group_by("clinic_id", "session_id")
        .agg(dosed_at=pl.col("started_at").min())
    )
    dosed = facts.frames["sessions"].join(first, on=["clinic_id", "session_id"])
    return (
        rems_forms_due(dosed, _clinics(facts), facts.as_of, facts.zone_names).collect().to_dicts()
    )


def _clinics(facts: Facts) -> pl.LazyFrame:
    cutoffs = facts.cutoffs.lazy().filter(pl.col("feed") == "sessions")
    return (
        facts.frames["clinics"]
        .select("clinic_id", "chairs", _zone="time_zone")
        .join(cutoffs.select("clinic_id", pl.col("cutoff").cast(INSTANT)), on="clinic_id",
              how="left")
    )  # fmt: skip
