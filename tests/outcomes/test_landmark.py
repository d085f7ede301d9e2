"""Psychotherapy counts until the landmark, its last day included, and curves begin there."""

from __future__ import annotations

import polars as pl
import pytest

from flows.metrics.durability import ALL, NONE, SOME, durability
from protocols.instruments import instruments
from tests.outcomes.engine import PROTOCOL, found_responses
from tests.spec.outcomes.tables import Network, moment


@pytest.mark.parametrize(
    ("day", "kind", "counts"),
    [("36", "therapy", True), ("37", "therapy", False), ("-13T10:00", "preparation", True),
     ("-13T09:59", "preparation", False), ("20", "crisis", False)],
)  # fmt: skip
def test_a_response_on_day_8_has_its_landmark_on_day_36(day: str, kind: str, counts: bool) -> None:
    network = Network()
    network.clinic("c")
    for start in ("1", "50"):
        network.add("sessions", "c", session_id=f"s{start}", program="iv_ketamine",
                    status="completed", started_at=moment(f"{start}T10:00"))  # fmt: skip
    for at, total in (("0", 20.0), ("8", 10.0), ("60", 10.0)):
        network.add("outcomes", "c", outcome_id=at, instrument="PHQ-9", total=total,
                    administered_at=moment(at))  # fmt: skip
    network.add("contacts", "c", contact_id="k", kind=kind, status="completed",
                started_at=moment(day))  # fmt: skip
    (found,) = found_responses(network.world, PROTOCOL)
    assert (found["days"], found["relapsed"], found["psychotherapy"]) == (52, False, counts)
    curves = durability(pl.LazyFrame([found]), instruments()).collect()
    group = SOME if counts else NONE
    assert curves.select("group", "day", "censored").rows() == [
        (ALL, 0, 0), (ALL, 52, 1), (group, 0, 0), (group, 24, 1),
    ]  # fmt: skip
    assert all("not randomised" in note for note in curves.filter(group=group)["note"])
