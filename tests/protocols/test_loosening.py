"""No limit of the library can be one unit looser without a worked example that no longer holds."""

from __future__ import annotations

import pytest

from protocols.load import load_protocols
from protocols.model import Protocol
from tests.protocols.evaluable import can_be_not_evaluable
from tests.protocols.loosening import rule_changes, unnoticed

LIBRARY = load_protocols([])


@pytest.mark.parametrize("protocol", LIBRARY, ids=lambda protocol: protocol.key)
def test_a_looser_limit_is_noticed(protocol: Protocol) -> None:
    quiet = unnoticed(protocol)
    assert not quiet, "\n".join(["no worked example notices:", *quiet])


@pytest.mark.parametrize("protocol", LIBRARY, ids=lambda protocol: protocol.key)
def test_each_rule_that_can_be_not_evaluable_is_shown_so(protocol: Protocol) -> None:
    shown = {
        rule
        for example in protocol.examples
        for rule, expected in example.expect.items()
        if expected == "not_evaluable"
    }
    wanted = {rule.id for rule in protocol.rules if can_be_not_evaluable(rule, protocol)}
    assert sorted(wanted - shown) == []


@pytest.mark.parametrize(
    ("rule", "looser"),
    [
        ({"kind": "value", "expr": "dose_mg_per_kg", "min": 0.1, "max": 1.0},
         {("min", 0.0), ("max", 1.1)}),
        ({"kind": "value", "expr": "age_years", "min": 18}, {("min", 17)}),
        ({"kind": "value", "expr": "age_years < 65 or weight_kg is null", "is": True},
         {("expr", "(age_years < 66 OR weight_kg IS NULL)")}),
        ({"kind": "value", "expr": "not (60 < age_years)", "is": True},
         {("expr", "(NOT (61 < age_years))")}),
        ({"kind": "value", "expr": "age_years = 5", "is": True},
         {("expr", "(age_years = 6)"), ("expr", "(age_years = 4)")}),
        ({"kind": "value", "when": "local_date >= date '2025-01-21'", "expr": "route",
          "in": ["IV"]},
         {("when", "(local_date >= CAST('2025-01-22' AS DATE))")}),
        ({"kind": "elapsed", "from": "a", "to": "b", "min": "0s", "max": "7cd"},
         {("min", "-1s"), ("max", "8cd")}),
        ({"kind": "occurrence", "of": "vitals", "window": ["a - 30m", "a + 2h"],
          "where": "spo2_pct between 90 and 95.5"},
         {("window.0", "a - 31m"), ("window.1", "a + 3h"),
          ("where", "(spo2_pct BETWEEN 89 AND 95.5)"),
          ("where", "(spo2_pct BETWEEN 90 AND 95.6)")}),
        ({"kind": "occurrence", "of": "vitals", "window": ["a - 30m", "a + 2h"], "at_most": 0,
          "where": "spo2_pct < 90"},
         {("at_most", 1), ("window.0", "a - 29m"), ("window.1", "a + 1h"),
          ("where", "(spo2_pct < 89)")}),
        ({"kind": "cadence", "of": "vitals", "window": ["a + 5m", "b"], "every": "15m",
          "among": "spo2_pct > 50"},
         {("every", "16m"), ("window.0", "a + 6m"), ("among", "(spo2_pct > 49)")}),
        ({"kind": "rate", "within": "7d", "at_most": 3}, {("within", "6d"), ("at_most", 4)}),
        ({"kind": "change", "expr": "dose_mg", "max_increase_pct": 25}, {("max_increase_pct", 26)}),
        ({"kind": "response", "trigger": {"of": "vitals", "where": "spo2_pct < 90"},
          "then": {"of": "vitals", "where": "spo2_pct >= 94", "within": "15m"}},
         {("trigger.where", "(spo2_pct < 89)"), ("then.within", "16m"),
          ("then.where", "(spo2_pct >= 93)")}),
    ],
)  # fmt: skip
def test_which_way_is_looser(rule: dict[str, object], looser: set[tuple[str, object]]) -> None:
    found = {(".".join(str(step) for step in one.path), one.now) for one in rule_changes(rule)}
    assert found == looser
