"""A session is compared with the previous one of its course, whichever version judged that."""

from __future__ import annotations

from protocols.evaluate import judge
from protocols.examples import example_facts
from protocols.model import Example, Protocol

STEP = {
    "id": "step", "title": "Step", "kind": "change", "severity": "major", "tier": "T4",
    "expr": "weight_kg", "max_increase": 10,
}  # fmt: skip


def version(number: int, **effective: str) -> Protocol:
    return Protocol.model_validate({
        "protocol": "steps", "version": f"{number}.0.0", "title": "Steps", "drug": "ketamine",
        "programs": ["iv_ketamine"], "effective": effective, "rules": [STEP],
    })  # fmt: skip


def session(day: str, weight: int) -> dict[str, object]:
    return {
        "program": "iv_ketamine", "status": "completed", "started_at": f"{day}T10:00:00Z",
        "weight_kg": weight,
    }  # fmt: skip


def test_the_previous_session_counts_under_whatever_version() -> None:
    versions = [
        version(1, **{"from": "2025-01-01", "to": "2025-03-02"}),
        version(2, **{"from": "2025-03-03"}),
    ]
    example = Example.model_validate({
        "title": "A new version", "row": session("2025-03-03", 71), "expect": {},
        "feeds": {"sessions": [{"session_id": "before", **session("2025-03-01", 60)}]},
    })  # fmt: skip
    found = judge(versions, example_facts(versions[1], [example]))
    rows = found.verdicts.join(found.subjects, on="subject_no")
    assert set(rows.select("subject_id", "protocol_version", "status", "observed").rows()) == {
        ("before", "1.0.0", "excluded", None),
        ("example", "2.0.0", "not_met", 11.0),
    }
