"""The tables of stock and staff hold, of the engine and of the oracle alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from flows.metrics.flags import REACHED
from flows.metrics.peers import above_peers
from protocols.risk import risk
from protocols.times import INSTANT
from tests.risk import oracle_staff, oracle_stock
from tests.risk.stock_engine import found, signals
from tests.spec.outcomes.tables import Section
from tests.spec.risk import stock_tables as tables

FILES = ("stock", "stock_clocks", "stock_staff")
PEERS = tables.held("stock_peers")[0]


@pytest.mark.parametrize(
    "section", [pytest.param(s, id=s.name) for file in FILES for s in tables.held(file)]
)
def test_lines(section: Section) -> None:
    network, about = tables.network(section), tables.signals_of(section)
    told = found(network)
    world = oracle_stock.World(network)
    slow = oracle_stock.flagged(world, signals(), risk().holidays.days)
    slow |= oracle_staff.flagged(world, signals())
    fast = {
        (row["clinic_id"], row["subject_id"], row["signal"]): row["observed"]
        for row in told.stock + told.people
    }
    for place, line in enumerate(section.lines, start=1):
        clinic, wanted = tables.name_of(place), tables.expected(line)
        for flags in (fast, {key: observed for key, (observed, _) in slow.items()}):
            mine = {
                (key[2], "C" if key[1] == clinic else key[1]): observed
                for key, observed in flags.items()
                if key[0] == clinic and key[2] in about
            }
            assert mine == wanted, line


def test_every_signal_of_lots_clinics_and_people_has_its_table() -> None:
    told = {name for file in FILES for section in tables.held(file)
            for name in tables.signals_of(section)}  # fmt: skip
    held = {s.id for s in risk().signals if s.about != "patient"}
    assert {s for s in held if risk().by_id[s].exact} == told


@pytest.mark.parametrize("line", PEERS.lines, ids=lambda line: line["person"])
def test_peers(line: dict[str, str]) -> None:
    events, of = map(int, re.findall(r"\d+", line["person"]))
    counts = [(events, of)]
    for number, each_events, each_of in re.findall(r"(\d+) x (\d+) of (\d+)", line["peers"]):
        counts += [(int(each_events), int(each_of))] * int(number)
    signal = risk().by_id["waste-above-peers"]
    rows = pl.DataFrame(
        [
            {"clinic_id": "c", "subject_id": f"u{who}", "row_id": f"{who}-{at}",
             "at": datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=at),
             "group": "much waste", "unusual": at < unusual}
            for who, (unusual, of) in enumerate(counts)
            for at in range(of)
        ],
        schema_overrides={"at": INSTANT},
    )  # fmt: skip
    told = above_peers(rows.lazy(), signal, "doses", "doses").collect()
    (mine,) = told.filter(pl.col("subject_id") == "u0").to_dicts() or [None]
    least = round(mine["threshold"] * of) if mine else None
    flagged = told.filter(REACHED, pl.col("subject_id") == "u0").height == 1
    assert least == (None if line["flagged from"] == "-" else int(line["flagged from"]))
    assert flagged == (line["flagged"] == "yes")
    if mine:
        target = oracle_staff.middle(counts)
        factor = oracle_staff.dispersion(counts, target)
        assert factor == pytest.approx(float(line["factor"]), abs=0.005)
        above = oracle_staff.above(of, target, factor, signal.parameters["tail"])
        assert max(above, signal.parameters["events_least"]) == least
