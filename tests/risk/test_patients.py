"""Signals of patients against an oracle that reckons them plainly, on random small worlds."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.risk import oracle_patients as oracle
from tests.risk.patients import observed, told, worlds


@settings(max_examples=60)
@given(worlds())
def test_every_signal_is_what_the_oracle_reckons(world: oracle.PatientWorld) -> None:
    fast, slow = observed(world), oracle.observations(world)
    assert fast.keys() == slow.keys()
    for key, expected in slow.items():
        assert vars(fast[key]) == vars(expected) | {
            "observed": pytest.approx(expected.observed, abs=1e-9)
        }, key


@settings(max_examples=30)
@given(worlds(), st.randoms(use_true_random=False))
def test_what_is_told_does_not_hang_on_the_order_of_rows(
    world: oracle.PatientWorld, random: Random
) -> None:
    shuffled = {name: random.sample(rows, len(rows)) for name, rows in world.rows.items()}
    other = replace(world, rows=world.rows | shuffled)
    assert sorted(map(repr, told(other))) == sorted(map(repr, told(world)))


@settings(max_examples=60)
@given(worlds())
def test_the_days_that_a_reason_tells_are_those_observed(world: oracle.PatientWorld) -> None:
    for row in told(world):
        if row["signal"] == "overlapping-supply":
            assert row["reason"].startswith(f"{row['observed']:.0f} day"), row["reason"]
