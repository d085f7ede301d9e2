"""What the tables, of one rule each, can't show: versions side by side, and rules side by side."""

from __future__ import annotations

import polars as pl

from protocols.evaluate import judge
from protocols.examples import example_facts
from protocols.model import Example, Protocol

ROW = {"program": "iv_ketamine", "status": "completed"}
COMMON = {"severity": "major", "tier": "T4"}
STEP = {
    "id": "step", "title": "Step", "kind": "change", "expr": "weight_kg", "max_increase": 10,
    **COMMON,
}  # fmt: skip
OFTEN = {"id": "often", "title": "Often", "kind": "rate", "within": "7d", "at_most": 1, **COMMON}
READINGS = {
    "title": "Readings", "kind": "cadence", "of": "vitals", "every": "15m",
    "window": ["started_at", "ended_at"], **COMMON,
}  # fmt: skip


def version(number: int, rules: list[dict[str, object]], **effective: str) -> Protocol:
    return Protocol.model_validate({
        "protocol": "steps", "version": f"{number}.0.0", "title": "Steps", "drug": "ketamine",
        "programs": ["iv_ketamine"], "effective": effective, "rules": rules,
    })  # fmt: skip


def verdicts(
    versions: list[Protocol], example: dict[str, object]
) -> set[tuple[str, str, str, str, float | None]]:
    """(subject, version, rule, status, observed) of what an example's rows are judged as."""
    held = Example.model_validate({"title": "Together", "expect": {}, **example})
    found = judge(versions, example_facts(versions[-1], [held]))
    return set(
        found.verdicts.join(found.subjects, on="subject_no")
        .join(found.rules, on="rule_no")
        .with_columns(pl.col("status").cast(pl.String))
        .select("subject_id", "protocol_version", "rule_id", "status", "observed")
        .rows()
    )


def test_sessions_count_under_whatever_version() -> None:
    rules = [STEP, OFTEN]
    versions = [
        version(1, rules, **{"from": "2025-01-01", "to": "2025-03-02"}),
        version(2, rules, **{"from": "2025-03-03"}),
    ]
    before = {"session_id": "before", "started_at": "2025-03-01T10:00:00Z", "weight_kg": 60, **ROW}
    example = {
        "row": {"started_at": "2025-03-03T10:00:00Z", "weight_kg": 71, **ROW},
        "feeds": {"sessions": [before]},
    }
    assert verdicts(versions, example) == {
        ("before", "1.0.0", "step", "excluded", None),
        ("before", "1.0.0", "often", "met", 1.0),
        ("example", "2.0.0", "step", "not_met", 11.0),
        ("example", "2.0.0", "often", "not_met", 2.0),
    }


def test_a_reading_that_one_rule_asks_for_does_not_bridge_the_gap_of_another() -> None:
    rules: list[dict[str, object]] = [
        {**READINGS, "id": "oxygen", "among": "spo2_pct is not null"},
        {**READINGS, "id": "pressure", "among": "systolic_mmhg is not null"},
    ]
    times = {"00": "both", "14": "systolic_mmhg", "20": "spo2_pct", "28": "systolic_mmhg",
             "34": "both"}  # fmt: skip
    vitals = [
        {"measured_at": f"2025-03-03T10:{minute}:00Z"}
        | {name: 98 for name in ("spo2_pct", "systolic_mmhg") if what in (name, "both")}
        for minute, what in times.items()
    ]
    row = {"started_at": "2025-03-03T10:00:00Z", "ended_at": "2025-03-03T10:34:00Z", **ROW}
    found = verdicts(
        [version(1, rules, **{"from": "2025-01-01"})], {"row": row, "feeds": {"vitals": vitals}}
    )
    assert found == {
        ("example", "1.0.0", "oxygen", "not_met", 20.0),
        ("example", "1.0.0", "pressure", "met", 14.0),
    }
