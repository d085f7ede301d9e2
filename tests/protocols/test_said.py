"""However an expression is laid out, what it names is found: line breaks, blanks around dots,
quoted names."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.evidence import evidence
from flows.frames import feeds_of
from protocols.examples import run_examples
from protocols.load import load_protocol

LAID_OUT = """\
protocol: laid-out
version: 1.0.0
title: Laid out
effective: {{from: 2020-01-01}}
drug: ketamine
measures:
  fastest:
    of: vitals
    link: session
    among: "heart_rate_bpm > 0"
    take: max
    expr: {measured}
rules:
  - {{id: heavy, title: Heavy, kind: value, severity: minor, tier: T4, min: 1, expr: {valued}}}
  - {{id: fast, title: Fast, kind: value, severity: minor, tier: T4, min: 1, expr: {measure}}}
examples:
  - title: One
    row: {{started_at: "2025-03-03T15:00:00Z", status: completed, weight_kg: 70, height_cm: 170}}
    patient: {{failed_trials: 2}}
    feeds:
      doses: [{{drug: ketamine, amount_mg: 35, started_at: "2025-03-03T15:00:00Z"}}]
      vitals: [{{measured_at: "2025-03-03T15:10:00Z", heart_rate_bpm: 70}}]
    expect: {{heavy: met, fast: met}}
"""
PLAIN = (
    "heart_rate_bpm + this.height_cm",
    "weight_kg + dose_mg - patient.failed_trials",
    "fastest",
)


@pytest.mark.parametrize(
    "texts",
    [
        PLAIN,
        ("heart_rate_bpm +\\nthis.height_cm", "weight_kg +\\ndose_mg -\\npatient.failed_trials",
         "(\\nfastest\\n)"),
        ("heart_rate_bpm + this . height_cm", "weight_kg + dose_mg - patient . failed_trials",
         "( fastest )"),
        ('heart_rate_bpm + this.\\"height_cm\\"',
         'weight_kg + \\"dose_mg\\" - patient.\\"failed_trials\\"', '\\"fastest\\"'),
    ],
)  # fmt: skip
def test_the_layout_changes_nothing(tmp_path: Path, texts: tuple[str, str, str]) -> None:
    found = []
    for name, (measured, valued, measure) in {"plain": PLAIN, "odd": texts}.items():
        file = tmp_path / f"{name}.yaml"
        quoted = {"measured": measured, "valued": valued, "measure": measure}
        text = LAID_OUT.format(**{key: f'"{value}"' for key, value in quoted.items()})
        file.write_text(text, encoding="utf-8")
        protocol = load_protocol(file)
        assert run_examples(protocol) == []
        found.append([(feeds_of(protocol, r), evidence(protocol, r)) for r in protocol.rules])
    assert found[0] == found[1]
    assert found[0][0][0] == ["sessions", "doses"]
    assert ("patients", "patient") in found[0][0][1]
