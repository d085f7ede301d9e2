"""The engine held to the oracle: status, observed value and subject status of random worlds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from checks.strict_yaml import parse
from protocols.evaluate import judge, subject_statuses
from protocols.model import Protocol
from tests import oracle
from tests.worlds import as_facts, worlds

HEAD = """
protocol: under-test
version: 1.0.0
title: Under test
effective: {from: 2025-01-01}
drug: ketamine
programs: [iv_ketamine]
course: {gap: 10d}
"""
RULES = {
    "value": """
  - {id: a, title: A, kind: value, severity: major, tier: T4, expr: dose_mg_per_kg, min: 0.25, max: 0.5}
  - {id: b, title: B, kind: value, severity: minor, tier: T4, expr: escort_confirmed, is: true, missing: not_met}
  - {id: c, title: C, kind: value, severity: minor, tier: T4, expr: course_index, in: [1, 2], when: age_years < 65}
  - {id: d, title: D, kind: value, severity: minor, tier: T4, expr: lifetime_index + course_day + course_week, max: 9}
  - {id: e, title: E, kind: value, severity: minor, tier: T4, expr: "coalesce(last_dose_at, started_at) >= previous_started_at + interval 5 day", is: true}
  - {id: f, title: F, kind: value, severity: critical, tier: T4, expr: "case when sex = 'F' then infusion_minutes else dose_count end", max: 30, missing: met}
""",
    "elapsed": """
  - {id: a, title: A, kind: elapsed, severity: major, tier: T4, from: started_at, to: ended_at, min: 15m, max: 45m}
  - {id: b, title: B, kind: elapsed, severity: minor, tier: T4, from: ended_at, to: discharged_at, min: 30m, grace: 2d}
  - {id: c, title: C, kind: elapsed, severity: minor, tier: T4, from: started_at, to: next_started_at, max: 3cd, missing: not_met}
  - {id: d, title: D, kind: elapsed, severity: minor, tier: T4, from: local_date, to: first_dose_at, max: 1cd, when: dose_count > 0}
""",
    "occurrence": """
  - {id: a, title: A, kind: occurrence, severity: critical, tier: T4, of: vitals, window: [started_at - 30m, started_at]}
  - {id: b, title: B, kind: occurrence, severity: major, tier: T4, of: vitals, window: [started_at, discharged_at], where: spo2_pct < 90, at_most: 0}
  - {id: c, title: C, kind: occurrence, severity: minor, tier: T4, of: vitals, window: [null, started_at], pick: last, where: systolic_mmhg < 180}
  - {id: d, title: D, kind: occurrence, severity: minor, tier: T4, of: outcomes, window: [course_started_at - 7cd, started_at + 1cd], among: "instrument = 'PHQ-9'", where: total >= 10, pick: first}
  - {id: e, title: E, kind: occurrence, severity: minor, tier: T4, of: sessions, window: [started_at - 7d, started_at], at_most: 1}
  - {id: f, title: F, kind: occurrence, severity: minor, tier: T4, of: doses, where: "amount_mg > 30 and started_at >= this.started_at", at_most: 1, at_least: 1}
  - {id: g, title: G, kind: occurrence, severity: minor, tier: T4, of: contacts, window: [started_at, started_at + 7cd], among: "kind = 'integration'"}
  - {id: h, title: H, kind: occurrence, severity: minor, tier: T4, of: medications, window: [null, started_at], missing: excluded}
  - {id: i, title: I, kind: occurrence, severity: minor, tier: T4, of: outcomes, link: session, where: item_2 > 0}
""",
    "cadence": """
  - {id: a, title: A, kind: cadence, severity: major, tier: T4, of: vitals, window: [started_at, ended_at], every: 15m}
  - {id: b, title: B, kind: cadence, severity: minor, tier: T4, of: vitals, window: [started_at - 30m, discharged_at], every: 20m, tolerance: 10m, ends: none, among: systolic_mmhg is not null}
  - {id: c, title: C, kind: cadence, severity: minor, tier: T4, of: vitals, window: [started_at, monitoring_ended_at], every: 30m, ends: start, missing: not_evaluable}
  - {id: d, title: D, kind: cadence, severity: minor, tier: T4, of: vitals, window: [started_at, monitoring_ended_at], every: 30m, ends: end, among: oxygen}
""",
    "rate": """
  - {id: a, title: A, kind: rate, severity: major, tier: T4, within: 7d, at_most: 1}
  - {id: b, title: B, kind: rate, severity: minor, tier: T4, within: 7cd, at_most: 1, across: patient}
""",
    "change": """
  - {id: a, title: A, kind: change, severity: major, tier: T4, expr: dose_mg, max_increase: 10}
  - {id: b, title: B, kind: change, severity: minor, tier: T4, expr: weight_kg, max_decrease_pct: 5, max_increase_pct: 50}
""",
    "response": """
  - {id: a, title: A, kind: response, severity: major, tier: T4, trigger: {of: vitals, window: [started_at, discharged_at], where: spo2_pct <= 90}, then: {of: vitals, where: oxygen, within: 30m}}
  - {id: b, title: B, kind: response, severity: minor, tier: T4, trigger: {of: outcomes, window: [null, null], where: item_1 > 0}, then: {of: contacts, within: 2cd}}
""",
    "measures": """
  - {id: a, title: A, kind: value, severity: major, tier: T4, expr: worst, min: 90}
  - {id: b, title: B, kind: elapsed, severity: major, tier: T4, from: started_at, to: first_read_at, max: 30m}
  - {id: c, title: C, kind: occurrence, severity: minor, tier: T4, of: vitals, window: [first_read_at, first_read_at + 1h], at_least: 2}
  - {id: d, title: D, kind: value, severity: minor, tier: T4, expr: scores, min: 1}
  - {id: e, title: E, kind: value, severity: minor, tier: T4, expr: last_total, max: 20, when: scores > 0}
""",
}  # fmt: skip
MEASURES = """
measures:
  worst: {of: vitals, window: [started_at, ended_at], take: min, expr: spo2_pct}
  first_read_at: {of: vitals, window: [started_at - 1h, null], take: first, expr: measured_at}
  scores: {of: outcomes, window: [course_started_at - 7cd, course_started_at + 14cd], take: count}
  last_total: {of: outcomes, window: [null, started_at + 2d], take: last, expr: total, among: "instrument = 'PHQ-9'"}
"""  # fmt: skip
OTHERS = {
    "dispenses": """
protocol: under-test
version: 1.0.0
title: Under test
effective: {from: 2025-01-01}
judges: dispenses
drug: ketamine
population: drug = 'ketamine' and quantity >= 4
rules:
  - {id: a, title: A, kind: value, severity: major, tier: T4, expr: amount_mg, max: 400}
  - {id: b, title: B, kind: value, severity: minor, tier: T4, expr: local_date - previous_local_date - previous_days_supply, min: -2, missing: excluded}
  - {id: c, title: C, kind: rate, severity: minor, tier: T4, within: 14cd, at_most: 1}
  - {id: d, title: D, kind: occurrence, severity: minor, tier: T4, of: dispenses, window: [dispensed_at - 10d, dispensed_at], at_most: 0}
  - {id: e, title: E, kind: occurrence, severity: minor, tier: T4, of: outcomes, window: [dispensed_at - 30d, dispensed_at + 3cd]}
  - {id: f, title: F, kind: elapsed, severity: minor, tier: T4, from: previous_dispensed_at, to: dispensed_at, min: 5d}
""",
    "outcomes": """
protocol: under-test
version: 1.0.0
title: Under test
effective: {from: 2025-01-01}
judges: outcomes
population: instrument = 'PHQ-9'
rules:
  - {id: a, title: A, kind: value, severity: major, tier: T4, expr: total, max: 27}
  - {id: b, title: B, kind: value, severity: minor, tier: T4, expr: item_1 + item_2, max: 2}
  - {id: c, title: C, kind: response, severity: critical, tier: T4, when: item_1 > 0, trigger: {of: outcomes, window: [administered_at, administered_at], among: outcome_id = this.outcome_id}, then: {of: contacts, within: 2cd}}
  - {id: d, title: D, kind: occurrence, severity: minor, tier: T4, of: sessions, window: [administered_at - 7cd, administered_at]}
  - {id: e, title: E, kind: occurrence, severity: minor, tier: T4, of: vitals, window: [administered_at - 1d, administered_at + 1d], at_most: 3}
""",
}  # fmt: skip
TEXTS = {
    **{kind: f"{HEAD}{MEASURES if kind == 'measures' else ''}rules:{rules}"
       for kind, rules in RULES.items()},
    "by course": HEAD.replace("10d}", "10d}\nin_force_by: course").replace(
        "2025-01-01", "2025-03-10") + "rules:" + RULES["value"],
    **OTHERS,
}  # fmt: skip


def hold_to_oracle(text: str, world: oracle.World) -> None:
    data: dict[str, Any] = parse(text).data
    protocol = Protocol.model_validate(data)
    expected = oracle.judge([data], world)
    found = judge([protocol], as_facts(world))
    rows = found.verdicts.join(found.subjects, on="subject_no").join(found.rules, on="rule_no")
    keys = ("clinic_id", "subject_id", "protocol", "protocol_version", "rule_id")
    got = {
        tuple(row[key] for key in keys): (row["status"], row["observed"])
        for row in rows.iter_rows(named=True)
    }
    assert set(got) == set(expected.verdicts)
    for key, (status, observed) in expected.verdicts.items():
        assert got[key][0] == status, (key, got[key], (status, observed))
        if status in ("met", "not_met"):
            assert same(got[key][1], observed), (key, got[key], (status, observed))
    subjects = found.subjects.join(subject_statuses(found), on="subject_no")
    statuses = {
        (row["clinic_id"], row["subject_id"], row["protocol"], row["protocol_version"]): row[
            "status"
        ]
        for row in subjects.iter_rows(named=True)
    }
    assert statuses == expected.subjects
    for row in found.words.iter_rows(named=True):
        assert row["reason"], row


def same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return math.isclose(one, other, abs_tol=1e-6)


@pytest.mark.parametrize("name", list(TEXTS))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(world=worlds())
def test_the_engine_finds_what_the_oracle_finds(name: str, world: oracle.World) -> None:
    hold_to_oracle(TEXTS[name], world)
