"""All signals of patients, each from the facts that it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from flows.metrics import risk_screens, risk_sessions, risk_supply
from flows.metrics.exposure import given, handed_out, high_exposure
from protocols.risk import Risk


@dataclass(frozen=True)
class PatientFacts:
    """Rows of some persons up to `as_of`, all of each; every frame has clinic_id, patient_id,
    `person` (the same for records of one person) and _zone.

    `dispenses`: dispense_id, prescriber_id, rx_id, drug, form, amount_mg, days_supply,
    dispensed_at. `doses`: dose_id, session_id, drug, route, amount_mg, started_at. `screenings`:
    screening_id, kind, result, expected, at. `scores`: outcome_id, at, scale, score, sex.
    `reviews`: contact_id, kind, at, held. `findings` of sessions that were not met: session_id,
    started_at, kind (of the rule), reason. `courses`, a row a session: session_id, started_at,
    protocol, course, course_started_at, response_latest. `screened_until`: clinic_id, cutoff of
    screenings. `unsure`: clinic_id, patient_id of screenings in quarantine.
    """

    dispenses: pl.LazyFrame
    doses: pl.LazyFrame
    screenings: pl.LazyFrame
    scores: pl.LazyFrame
    reviews: pl.LazyFrame
    findings: pl.LazyFrame
    courses: pl.LazyFrame
    screened_until: pl.LazyFrame
    unsure: pl.LazyFrame
    as_of: datetime
    zones: Sequence[str]


def patient_risk(facts: PatientFacts, held: Risk) -> Iterator[pl.LazyFrame]:
    """Observations of every signal of patients."""
    yield from _of_supplies(facts, held)
    yield from _of_sessions(facts, held)
    yield from _of_screens(facts, held)


def _of_supplies(facts: PatientFacts, held: Risk) -> Iterator[pl.LazyFrame]:
    of, as_of, zones = held.by_id, facts.as_of, facts.zones
    supplies = risk_supply.placed(facts.dispenses, zones).collect().lazy()  # read five times
    yield risk_supply.early_refills(supplies, of["early-refill"], as_of)
    yield risk_supply.overlapping_supplies(supplies, of["overlapping-supply"], as_of)
    yield risk_supply.several_prescribers(supplies, of["several-prescribers"], as_of)
    yield risk_supply.refills_despite_missed_reviews(
        supplies, facts.reviews, of["refill-despite-missed-review"], as_of
    )
    asked = facts.screenings.filter((pl.col("kind") == "pdmp") & (pl.col("result") != "declined"))
    yield risk_supply.pdmp_not_queried(
        supplies.join(facts.unsure, on=risk_supply.PATIENT, how="anti"), asked,
        facts.screened_until, of["pdmp-not-queried"], as_of, zones,
    )  # fmt: skip


def _of_sessions(facts: PatientFacts, held: Risk) -> Iterator[pl.LazyFrame]:
    of, as_of, zones = held.by_id, facts.as_of, facts.zones
    yield risk_sessions.over_protocol_frequency(
        facts.findings, of["over-protocol-frequency"], as_of
    )
    doses = given(facts.doses, held.exposure).collect().lazy()
    supplies = handed_out(facts.dispenses, held.exposure).collect().lazy()
    yield risk_sessions.several_clinics(doses, supplies, of["several-clinics"], as_of)
    dosed = doses.group_by("clinic_id", "session_id").agg(iv_mg=pl.col("iv_mg").sum())
    courses = risk_sessions.without_benefit(
        facts.courses.join(dosed, on=("clinic_id", "session_id"), how="left"), zones
    ).collect().lazy()  # fmt: skip
    yield risk_sessions.rising_dose(courses, of["rising-dose"], as_of)
    yield risk_sessions.rising_frequency(courses, of["rising-frequency"], as_of)
    yield high_exposure(doses, of["high-exposure-given"], "doses", "dose_id", as_of, zones)
    yield high_exposure(
        supplies, of["high-exposure-dispensed"], "dispenses", "dispense_id", as_of, zones
    )
    yield risk_screens.urinary_symptoms(
        facts.scores, doses, supplies, of["urinary-symptoms"], as_of, zones
    )


def _of_screens(facts: PatientFacts, held: Risk) -> Iterator[pl.LazyFrame]:
    of, as_of, zones = held.by_id, facts.as_of, facts.zones
    urine = facts.screenings.filter(pl.col("kind") == "uds")
    for name, explained in (("unexpected-uds", True), ("unexplained-uds", False)):
        yield risk_screens.urine_screens(urine, of[name], as_of, zones, explained=explained)
    for name in ("audit-c", "dast-10"):
        yield risk_screens.screener(facts.scores, of[name], as_of, zones)
