"""What Keel finds in a small world: its tables of outcomes as plain rows."""

from __future__ import annotations

from typing import Any

import polars as pl

from flows.metrics.durability import responses
from flows.metrics.outcomes import courses_of, outcome_courses
from flows.metrics.suicidality import suicidality_followup
from protocols.evaluate import judge
from protocols.facts import Facts
from protocols.instruments import instruments
from protocols.model import Protocol
from protocols.scoring import scored
from protocols.times import INSTANT
from tests.oracle import World
from tests.worlds import as_facts

Rows = list[dict[str, Any]]
PROTOCOL: dict[str, Any] = {
    "protocol": "spec", "version": "1.0.0", "title": "Courses", "drug": "ketamine",
    "effective": {"from": "2000-01-01"}, "programs": ["iv_ketamine"], "course": {"gap": "60d"},
    "primary": {"instrument": "PHQ-9", "day": 28, "within": 7},
    "rules": [{"id": "rule", "title": "Any", "kind": "value", "severity": "minor", "tier": "T4",
               "expr": "true", "is": True}],
}  # fmt: skip


def scores(facts: Facts) -> pl.LazyFrame:
    """Scored outcomes, with their `at`."""
    rows = facts.evidence("outcomes").rename({"_at": "at"})
    return scored(rows, instruments().instruments)


def found_courses(world: World, protocol: dict[str, Any]) -> pl.DataFrame:
    facts = as_facts(world)
    held = [Protocol.model_validate(protocol)]
    subjects = judge(held, facts).subjects.lazy()
    courses = courses_of(subjects, held, facts.zones.lazy())
    cutoffs = _cutoffs(facts, "outcomes")
    names = facts.zone_names
    return outcome_courses(courses, scores(facts), cutoffs, instruments(), names).collect()


def found_responses(world: World, protocol: dict[str, Any]) -> Rows:
    facts = as_facts(world)
    rows = found_courses(world, protocol).lazy()
    return (
        responses(rows, _contacts(facts), instruments(), facts.zone_names).collect().to_dicts()
    )  # fmt: skip


def found_screens(world: World) -> Rows:
    facts = as_facts(world)
    lost = facts.quarantined.filter(pl.col("feed") == "contacts").select("clinic_id", "patient_id")
    cutoffs = _cutoffs(facts, "contacts")
    return (
        suicidality_followup(
            scores(facts), _contacts(facts), cutoffs, lost.drop_nulls().lazy(), instruments()
        )
        .collect()
        .to_dicts()
    )


def _contacts(facts: Facts) -> pl.LazyFrame:
    took = (pl.col("status") == "completed") | (
        pl.col("status").is_null() & pl.col("started_at").is_not_null()
    )
    rows = facts.evidence("contacts").filter(took & pl.col("_at").is_not_null())
    return rows.select("clinic_id", "patient_id", "kind", at="_at")


def _cutoffs(facts: Facts, feed: str) -> pl.LazyFrame:
    of = facts.cutoffs.lazy().filter(pl.col("feed") == feed)
    return of.select("clinic_id", pl.col("cutoff").cast(INSTANT))
