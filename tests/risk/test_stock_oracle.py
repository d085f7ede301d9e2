"""Each flag on lots, clinics and people, and each lot's balance, is what the oracles say."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.risk import risk
from tests.risk import oracle_staff, oracle_stock
from tests.risk.stock_engine import Network, Row, found, signals
from tests.risk.stock_worlds import crowd, network


def keyed(rows: list[Row]) -> dict[tuple[str, str, str], tuple[float, frozenset[str]]]:
    held = {
        (row["clinic_id"], row["subject_id"], row["signal"]):
        (row["observed"], frozenset(row["row_ids"]))
        for row in rows
    }  # fmt: skip
    assert len(held) == len(rows)
    return held


def compare(held: Network) -> set[str]:
    """Every flag with its rows, every balance to the last millionth; gives the signals raised."""
    told, world = found(held), oracle_stock.World(held)
    stock = oracle_stock.flagged(world, signals(), risk().holidays.days)
    people = oracle_staff.flagged(world, signals())
    assert keyed(told.stock) == stock
    assert keyed(told.people) == people
    lots = oracle_stock.balances(world)
    assert {(r["clinic_id"], r["lot"], r["drug"]) for r in told.balance} == set(lots)
    for row in told.balance:
        lot = lots[row["clinic_id"], row["lot"], row["drug"]]
        assert {name: row[name] for name in lot} == lot
    for row in told.stock + told.people:
        assert row["reason"]
        assert row["first_at"] <= row["last_at"] <= held.as_of
        assert row["points"] == risk().by_id[row["signal"]].points
    return {row["signal"] for row in told.stock + told.people}


@pytest.mark.parametrize("seed", range(3))
def test_many_clinics_are_what_the_oracles_say(seed: int) -> None:
    raised = compare(network(Random(f"many {seed}"), clinics=40))
    exact = {s.id for s in risk().signals if s.exact and s.about != "patient"}
    assert exact - {"loss-form-late", "count-overdue-biennial"} <= raised


def test_all_peers_are_compared_as_the_oracle_says() -> None:
    raised: set[str] = set()
    for seed in range(12):
        raised |= compare(crowd(Random(f"crowd {seed}")))
    assert {s.id for s in risk().signals if not s.exact and s.about != "patient"} <= raised


def test_a_network_on_which_polars_panicked_once() -> None:
    """Rows of a join whose first chunk was empty, put into words by `pl.format`."""
    compare(network(Random("s 79")))


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_small_networks_are_what_the_oracles_say(random: Random) -> None:
    compare(network(random))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_more_networks_are_what_the_oracles_say(seed: int) -> None:
    compare(network(Random(f"long {seed}"), clinics=40))
    compare(crowd(Random(f"long {seed}"), clinics=3))
