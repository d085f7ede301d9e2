"""Every protocol of the library does what its worked examples say; each rule is shown failing."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.examples import run_examples
from protocols.load import load_protocol, load_protocols
from protocols.model import Protocol

LIBRARY = load_protocols([])


@pytest.mark.parametrize("protocol", LIBRARY, ids=lambda protocol: protocol.key)
def test_worked_examples_hold(protocol: Protocol) -> None:
    assert protocol.examples
    assert run_examples(protocol) == []


@pytest.mark.parametrize("protocol", LIBRARY, ids=lambda protocol: protocol.key)
def test_each_rule_is_shown_met_and_not_met(protocol: Protocol) -> None:
    for status in ("met", "not_met"):
        shown = {
            rule
            for example in protocol.examples
            for rule, expected in example.expect.items()
            if expected == status
        }
        assert shown == {rule.id for rule in protocol.rules}


def test_an_example_that_does_not_hold_is_noticed() -> None:
    protocol = LIBRARY[0]
    example = protocol.examples[0]
    rule = next(iter(example.expect))
    wrong = example.model_copy(update={"expect": {**example.expect, rule: "pending"}})
    found = run_examples(protocol.model_copy(update={"examples": (wrong,)}))
    assert [(item.rule_id, item.expected) for item in found] == [(rule, "pending")]


def test_an_example_like_another_says_only_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(ALIKE, encoding="utf-8")
    first, second = load_protocol(file).examples
    assert second.row == {**first.row, "weight_kg": None, "status": "aborted"}
    assert second.feeds == {**first.feeds, "doses": []}
    assert second.patient == first.patient
    assert second.expect == {"weight": "not_met"}


ALIKE = """\
protocol: mine
version: 1.0.0
title: Mine
effective: {from: 2025-01-01}
drug: ketamine
programs: [iv_ketamine]
rules:
  - {id: weight, title: Weight, kind: value, severity: minor, tier: T4, expr: weight_kg is not null, is: true}
examples:
  - title: Weighed
    row: {status: completed, weight_kg: 80}
    patient: {sex: F}
    feeds:
      doses: [{drug: ketamine, amount_mg: 40, started_at: 2025-03-03T15:00:00Z}]
      vitals: [{measured_at: 2025-03-03T15:00:00Z, spo2_pct: 98}]
    expect: {weight: met}
  - title: Not weighed
    like: Weighed
    row: {weight_kg: null, status: aborted}
    feeds: {doses: []}
    expect: {weight: not_met}
"""  # noqa: E501
