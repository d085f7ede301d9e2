"""The engine finds what the oracle finds, of random networks; `make oracle` does it at scale."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.comparison import compare, protocols_under_test
from tests.worlds import world

PROTOCOLS = protocols_under_test()


@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_the_engine_finds_it_in_a_larger_network(name: str) -> None:
    compare(PROTOCOLS[name], world(Random(name), clinics=100))


@pytest.mark.parametrize("name", list(PROTOCOLS))
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_the_engine_finds_what_the_oracle_finds(name: str, random: Random) -> None:
    compare(PROTOCOLS[name], world(random))
