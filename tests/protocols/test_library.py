"""Every protocol of the library does what its worked examples say; each rule is shown failing."""

from __future__ import annotations

import pytest

from protocols.examples import run_examples
from protocols.load import load_protocols
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
