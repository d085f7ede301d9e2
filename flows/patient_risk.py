"""Facts of patients whom the night touched for their risk signals, in buckets of persons, so that
memory does not grow with the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import polars as pl

from flows.beside import beside
from flows.frames import cutoffs, fetched
from flows.marts import all_collected, clear, collected, insert, instants
from flows.metrics.exposure import given, handed_out, patient_exposure
from flows.metrics.risk_patients import PatientFacts, patient_risk
from flows.people import find_people
from flows.runs import Run
from flows.shares import portions
from flows.sources import quoted
from flows.touched import PATIENTS, Touched, touch
from flows.warehouse import Warehouse
from protocols.instruments import instruments
from protocols.risk import Risk
from protocols.scoring import scored
from protocols.times import INSTANT

# Whose row it is: a number, or clinic and patient where no other record is known to be theirs.
_PERSON = "coalesce(p.person::VARCHAR, concat_ws(chr(31), f.clinic_id, f.patient_id))"
_WHO = f"f.clinic_id, f.patient_id, {_PERSON} AS person, z.time_zone AS _zone"
_OF = (
    "f JOIN facts.clinics z USING (clinic_id) "
    "LEFT JOIN ops.people p ON p.clinic_id = f.clinic_id AND p.patient_id = f.patient_id"
)
_DISPENSES = (
    f"SELECT {_WHO}, dispense_id, prescriber_id, rx_id, drug, form, days_supply, "
    f"(strength_mg * quantity)::DOUBLE AS amount_mg, dispensed_at FROM facts.dispenses {_OF} "
    "WHERE dispensed_at <= $as_of"
)
_DOSES = (
    f"SELECT {_WHO}, dose_id, f.session_id, drug, coalesce(f.route, s.route) AS route, "
    f"amount_mg::DOUBLE AS amount_mg, f.started_at FROM facts.doses {_OF} "
    "LEFT JOIN facts.sessions s ON s.clinic_id = f.clinic_id AND s.session_id = f.session_id "
    "WHERE f.started_at <= $as_of"
)
_SCREENINGS = (
    f"SELECT {_WHO}, screening_id, kind, result, expected, performed_at AS at "
    f"FROM facts.screenings {_OF} WHERE kind IN ('uds', 'pdmp') AND performed_at <= $as_of"
)
_OUTCOMES = (
    f"SELECT {_WHO}, outcome_id, session_id, instrument, instrument_version, "
    f"administered_at AS at, total, items, q.sex FROM facts.outcomes {_OF} "
    "LEFT JOIN facts.patients q ON q.clinic_id = f.clinic_id AND q.patient_id = f.patient_id "
    "WHERE administered_at <= $as_of AND instrument IN ({scales})"
)
# A review that took place, or that the patient did not come to.
_REVIEWS = (
    f"SELECT {_WHO}, contact_id, kind, coalesce(started_at, scheduled_at) AS at, "
    f"status IS DISTINCT FROM 'no_show' AS held FROM facts.contacts {_OF} "
    "WHERE coalesce(started_at, scheduled_at) <= $as_of AND (status IN ('completed', 'no_show') "
    "OR (status IS NULL AND started_at IS NOT NULL))"
)
_FINDINGS = (
    f"SELECT {_WHO}, f.session_id, f.started_at, r.kind, f.reason FROM marts.findings {_OF} "
    "JOIN marts.rules r ON r.protocol = f.protocol AND r.rule_id = f.rule_id "
    "AND r.protocol_version = f.protocol_version WHERE f.subject_kind = 'session' "
    "AND f.status = 'not_met' AND NOT f.waived AND r.kind IN ({rules})"
)
_COURSES = (
    f"SELECT {_WHO}, f.subject_id AS session_id, f.started_at, f.protocol, f.course, "
    f"f.course_started_at, o.response_latest FROM marts.subjects {_OF} "
    "JOIN marts.outcome_courses o ON o.clinic_id = f.clinic_id AND o.patient_id = f.patient_id "
    "AND o.protocol = f.protocol AND o.course = f.course "
    "WHERE f.subject_kind = 'session' AND o.is_primary AND o.latest IS NOT NULL"
)
_UNSURE = (
    "SELECT DISTINCT clinic_id, patient_id FROM ops.quarantine WHERE released_run IS NULL "
    "AND feed = 'screenings' AND clinic_id IS NOT NULL AND patient_id IS NOT NULL"
)


# What was observed changes as its events leave the window, and supplies are looked at once their
# clinic's screenings have been delivered.
_DUE = (
    "SELECT clinic_id, subject_id AS patient_id FROM marts.risk_observations "
    "WHERE subject_kind = 'patient' AND leaves_at < '{as_of}'::TIMESTAMPTZ UNION "
    "SELECT clinic_id, patient_id FROM facts.dispenses JOIN new_cutoffs n USING (clinic_id) "
    "LEFT JOIN ops.judged_cutoffs o USING (clinic_id, feed) WHERE feed = 'screenings' "
    "AND dispensed_at <= n.cutoff AND (o.cutoff IS NULL OR dispensed_at > o.cutoff)"
)
_SAME_PERSON = (
    "SELECT clinic_id, patient_id FROM ops.people WHERE person IN "
    f"(SELECT person FROM ops.people SEMI JOIN {PATIENTS} USING (clinic_id, patient_id))"
)


def patient_observations(
    warehouse: Warehouse, run: Run, held: Risk, touched: Touched
) -> Iterator[pl.DataFrame]:
    """What was observed of touched patients, bucket by bucket, in place of what the marts held;
    fills `marts.patient_exposure`."""
    touch(warehouse, touched, _DUE.format(as_of=run.as_of.isoformat()))
    find_people(warehouse, held.people, touched)
    touch(warehouse, touched, _SAME_PERSON)
    clear(warehouse, ["patient_exposure"], touched.patients())
    of_patient = touched.patients().replace("f.patient_id", "f.subject_id")
    clear(warehouse, ["risk_observations", "risk_flags"],
          f"f.subject_kind = 'patient' AND {of_patient}")  # fmt: skip
    zones = _zones(warehouse)

    def observed(facts: PatientFacts) -> list[pl.DataFrame]:
        facts = replace(facts, scores=collected(facts.scores).lazy())
        exposure = patient_exposure(
            given(facts.doses, held.exposure), handed_out(facts.dispenses, held.exposure)
        )
        return all_collected([exposure, *patient_risk(facts, held)])

    facts = (
        _facts(warehouse, run, held, zones, f" AND {touched.patients()} AND {persons}")
        for persons in _buckets(warehouse, touched)
    )
    for exposure, *observations in beside(facts, observed):
        insert(warehouse, "patient_exposure", exposure.lazy())
        yield from observations


def _buckets(warehouse: Warehouse, touched: Touched) -> list[str]:
    """Conditions of which one holds for all rows of a person: records that are the only ones of
    theirs lie where their clinic does."""
    if len(touched.shares) == 1:
        return [touched.shares[0].of_patients]
    alone = [f"p.person IS NULL AND {share.of_patients}" for share in touched.shares]
    number = len(portions(warehouse, "ops.people"))
    return [*alone, *(f"p.person % {number} = {part}" for part in range(number))]


def _facts(
    warehouse: Warehouse, run: Run, held: Risk, zones: Sequence[str], mine: str
) -> PatientFacts:
    def rows(query: str) -> pl.LazyFrame:
        if "$as_of" in query:
            return instants(fetched(warehouse, query + mine, as_of=run.as_of)).lazy()
        return instants(fetched(warehouse, query + mine)).lazy()

    bands = [signal.band.instrument for signal in held.signals if signal.band]
    scales = tuple(s for s in instruments().instruments if s.key in bands)
    rules = held.by_id["over-protocol-frequency"].kinds
    outcomes = rows(_OUTCOMES.format(scales=_listed(s.instrument for s in scales)))
    known = cutoffs(warehouse, run.as_of).filter(pl.col("feed") == "screenings")
    return PatientFacts(
        dispenses=rows(_DISPENSES),
        doses=rows(_DOSES),
        screenings=rows(_SCREENINGS),
        scores=scored(outcomes, scales),
        reviews=rows(_REVIEWS),
        findings=rows(_FINDINGS.format(rules=_listed(rules))),
        courses=rows(_COURSES),
        screened_until=known.select("clinic_id", pl.col("cutoff").cast(INSTANT)).lazy(),
        unsure=fetched(warehouse, _UNSURE).lazy(),
        as_of=run.as_of,
        zones=zones,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _zones(warehouse: Warehouse) -> list[str]:
    rows = warehouse.db.execute("SELECT DISTINCT time_zone FROM facts.clinics ORDER BY 1")
    return [zone for (zone,) in rows.fetchall()] or ["UTC"]
