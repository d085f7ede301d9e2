"""Signals of patients against an oracle that reckons them plainly, on random small worlds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.risk import oracle_patients as oracle
from tests.risk.patients import observed, worlds


@settings(max_examples=60)
@given(worlds())
def test_every_signal_is_what_the_oracle_reckons(world: oracle.PatientWorld) -> None:
    fast, slow = observed(world), oracle.observations(world)
    assert fast.keys() == slow.keys()
    for key, expected in slow.items():
        assert vars(fast[key]) == vars(expected) | {
            "observed": pytest.approx(expected.observed, abs=1e-9)
        }, key
