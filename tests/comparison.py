"""The engine held to the oracle over one network: status, observed value and subject status."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from checks.strict_yaml import parse
from protocols.evaluate import judge, subject_statuses
from protocols.model import Protocol
from tests import oracle
from tests.worlds import apart, as_facts

RULES = Path(__file__).parent / "rules"
Versions = Sequence[dict[str, Any]]


def protocols_under_test() -> dict[str, Versions]:
    """Protocol id to its versions, as plain data: one file a version under `tests/rules`."""
    found = [dict(parse(path.read_text()).data) for path in sorted(RULES.glob("*.yaml"))]
    return {name: list(held) for name, held in groupby(found, key=lambda data: data["protocol"])}


def compare(versions: Versions, network: oracle.World) -> oracle.Answer:
    """What the oracle finds clinic by clinic, once the engine has found the same of them all."""
    expected = oracle.Answer()
    for world in apart(network).values():
        answer = oracle.judge(versions, world)
        expected.verdicts.update(answer.verdicts)
        expected.subjects.update(answer.subjects)
    found = judge([Protocol.model_validate(data) for data in versions], as_facts(network))
    rows = found.verdicts.join(found.subjects, on="subject_no").join(found.rules, on="rule_no")
    keys = ("clinic_id", "subject_id", "protocol", "protocol_version", "rule_id")
    got = {
        tuple(row[key] for key in keys): (row["status"], row["observed"])
        for row in rows.iter_rows(named=True)
    }
    assert len(got) == len(rows)
    assert set(got) == set(expected.verdicts)
    for key, (status, observed) in expected.verdicts.items():
        assert got[key][0] == status, (key, got[key], (status, observed))
        assert same(got[key][1], observed), (key, got[key], (status, observed))
    subjects = found.subjects.join(subject_statuses(found), on="subject_no")
    statuses = {
        tuple(row[key] for key in ("clinic_id", "subject_id", "protocol", "protocol_version")): row[
            "status"
        ]
        for row in subjects.iter_rows(named=True)
    }
    assert statuses == expected.subjects
    for row in found.words.iter_rows(named=True):
        assert row["reason"], row
    return expected


def same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return math.isclose(one, other, abs_tol=1e-6)
