"""Every expectation of every contract has a row, or a delivery, that breaks it and one that just
keeps it; Great Expectations counts the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from checks.contract import Contract, contract, contracts
from checks.gx import validate
from checks.quarantine import ABOUT_ONE_ROW, failing
from flows.deliveries import land
from flows.drift import unknown
from flows.landing import discover
from flows.load import landed, load_feed, settle
from flows.raw import NETWORK
from flows.runs import start_run
from flows.staging import drop_stage, stage
from flows.warehouse import Warehouse, open_warehouse
from tests.checks.rows import MAKERS, Line, good_row, known_id, lines, only_needed
from tests.load.network import NORTH, Network, as_csv

ROWS = sorted(
    (feed, e.id) for feed, held in contracts().items() for e in held.expectations
    if e.kind in {*ABOUT_ONE_ROW, "reference"}
)  # fmt: skip
DELIVERIES = sorted(
    (feed, e.id) for feed, held in contracts().items() for e in held.expectations
    if e.kind in {"volume", "freshness", "missingness"}
)  # fmt: skip


def test_every_kind_of_expectation_is_tried() -> None:
    tried = {
        *ROWS,
        *DELIVERIES,
        ("outcomes", "total_agrees_with_items"),
    }  # in tests/load/test_drift
    assert tried == {(feed, e.id) for feed, held in contracts().items() for e in held.expectations}
    assert {*ABOUT_ONE_ROW, "reference"} == set(MAKERS)


def folder_of(feed: str) -> str:
    return NETWORK if feed == "clinics" else NORTH


# About a row


@dataclass(frozen=True)
class Tried:
    """A feed's rows as they were made, and what became of each: the ids of what it broke, whether
    it was quarantined; and how often Great Expectations and the night say each was broken."""

    lines: list[Line]
    broken: list[set[str]]
    quarantined: set[int]
    counted: dict[str, int]
    noted: dict[str, int]


def tried(folder: Path, *, with_gx: bool) -> dict[str, Tried]:
    network = Network(folder)
    made = {feed: lines(held) for feed, held in contracts().items()}
    for feed, held in contracts().items():
        rows = [dict(line.row) for line in made[feed]]
        network.deliver(f"{folder_of(feed)}/{feed}_rows.csv", as_csv(rows, held.names))
    (network.landing / NETWORK / "clinics_2026-01-01.csv").unlink()
    with open_warehouse(network.settings.warehouse) as warehouse:
        run = start_run(warehouse, network.settings.now())
        land(warehouse, discover(network.settings, warehouse, (), ()), run, network.settings)
        found = {}
        for feed, held in contracts().items():
            stage(warehouse, held, landed(warehouse, held))
            results = validate(warehouse.db, held, "staged") if with_gx else []
            broken = failed(warehouse, held, ABOUT_ONE_ROW, len(made[feed]))
            with warehouse.transaction():
                settle(warehouse, held, run, network.settings, [])
            for mine, more in zip(
                broken, failed(warehouse, held, {"reference"}, len(made[feed])), strict=True
            ):
                mine |= more
            found[feed] = Tried(
                made[feed],
                broken,
                {row for (row,) in ask(warehouse, "SELECT row_number FROM ops.quarantine "
                                       f"WHERE feed = '{feed}'")},
                {result.expectation_id: result.unexpected for result in results},
                dict(ask(warehouse, "SELECT expectation_id, unexpected FROM ops.check_results "
                         f"WHERE feed = '{feed}' AND kind = 'reference'")),
            )  # fmt: skip
            drop_stage(warehouse)
    return found


def failed(warehouse: Warehouse, held: Contract, kinds: Any, rows: int) -> list[set[str]]:
    """For each row, the expectations of these kinds that its predicates say it breaks."""
    found: list[set[str]] = [set() for _ in range(rows)]
    for e in held.expectations:
        if e.kind in kinds:
            test = unknown(e) if e.kind == "reference" else failing(e)
            for (row,) in ask(warehouse, f"SELECT _row FROM staged WHERE {test}"):
                found[row - 1].add(e.id)
    return found


def ask(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    return warehouse.db.execute(query).fetchall()


@pytest.fixture(scope="module")
def by_feed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tried]:
    return tried(tmp_path_factory.mktemp("rows"), with_gx=False)


@pytest.mark.parametrize("feed", list(contracts()))
def test_a_good_row_breaks_nothing(by_feed: dict[str, Tried], feed: str) -> None:
    assert by_feed[feed].broken[0] == set()
    assert all(value for name, value in by_feed[feed].lines[0].row.items()), (
        "every column is filled"
    )


@pytest.mark.parametrize(("feed", "expectation"), ROWS)
def test_a_row_breaks_it_and_another_just_keeps_it(
    by_feed: dict[str, Tried], feed: str, expectation: str
) -> None:
    found = by_feed[feed]
    severity = {e.id: e.severity for e in contract(feed).expectations}
    breaking = keeping = 0
    for number, (line, broken) in enumerate(zip(found.lines, found.broken, strict=True), 1):
        if line.made_for == expectation:
            assert broken == line.breaks, line.row
            unfit = any(severity[id_] == "quarantine" for id_ in broken)
            assert (number in found.quarantined) == unfit
            breaking += expectation in broken
            keeping += expectation not in broken
    assert breaking and keeping


@pytest.mark.parametrize("feed", list(contracts()))
def test_the_night_counts_unknown_references(by_feed: dict[str, Tried], feed: str) -> None:
    found = by_feed[feed]
    assert found.noted == {
        e.id: sum(e.id in line.breaks for line in found.lines)
        for e in contract(feed).expectations
        if e.kind == "reference"
    }


@pytest.mark.long
def test_great_expectations_counts_the_same_rows(tmp_path: Path) -> None:
    for feed, found in tried(tmp_path, with_gx=True).items():
        assert found.counted == {
            e.id: sum(e.id in line.breaks for line in found.lines)
            for e in contract(feed).expectations
            if e.kind in ABOUT_ONE_ROW
        }


# About deliveries

# The others take a quarter of a minute; they differ in nothing but the contracts' parameters.
EVERY_DAY = ("clinics", "hours", "sessions")
USUAL, FIRST = 10, datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Night:
    """How many rows a night's file has, in how many of them only what must be is filled, and how
    much later than allowed, in seconds, somebody looks at it."""

    rows: int
    bare: int
    late: int


def nights(held: Contract) -> Iterator[Night]:
    """A usual night, one that just keeps everything, one that breaks everything."""
    asked = {e.kind: e.parameters for e in held.expectations}
    least = int(USUAL * asked["volume"]["least_share"])
    yield Night(USUAL, 0, 0)
    yield Night(least, int(least * asked["missingness"]["most_rise"]), 0)
    yield Night(1, 1, 1)


@pytest.fixture(scope="module")
def successes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, list[bool]]]:
    """Of a feed: expectation -> whether it was met in each of the nights, in every column."""

    @cache
    def of(feed: str) -> dict[str, list[bool]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flows.load.validate", lambda *_: [])
            return _successes(Network(tmp_path_factory.mktemp("nights")), contract(feed))

    return of


def _successes(network: Network, held: Contract) -> dict[str, list[bool]]:
    feed, settings = held.feed, network.settings
    allowed = timedelta(
        days=sum(e.parameters["most_days"] for e in held.expectations if e.kind == "freshness")
    )
    given, found = 0, dict[str, list[bool]]()
    if feed == "clinics":
        (network.landing / NETWORK / "clinics_2026-01-01.csv").unlink()
    with open_warehouse(settings.warehouse) as warehouse:
        for at, night in enumerate(nights(held)):
            day = FIRST + timedelta(days=at)
            rows = [
                {**(only_needed(held) if n < night.bare else good_row(held)),
                 held.id_column: _id(feed, given + n), "extracted_at": day.isoformat()}
                for n in range(night.rows)
            ]  # fmt: skip
            given += len(rows)
            network.deliver(f"{folder_of(feed)}/{feed}_{at}.csv", as_csv(rows, held.names))
            run = start_run(warehouse, day + allowed + timedelta(seconds=night.late))
            land(warehouse, discover(settings, warehouse, (), ()), run, settings)
            load_feed(warehouse, "clinics", run, settings)
            load_feed(warehouse, feed, run, settings)
            for id_, met in ask(
                warehouse,
                "SELECT expectation_id, bool_and(success) FROM ops.check_results WHERE run_id = "
                f"'{run.run_id}' AND feed = '{feed}' AND kind <> 'reference' GROUP BY ALL",
            ):
                found.setdefault(id_, [True] * at).append(met)
    return found


def _id(feed: str, number: int) -> str:
    return known_id(feed) if number == 0 else f"{feed}-{number}"


@pytest.mark.parametrize(
    ("feed", "expectation"),
    [
        pytest.param(feed, id_, marks=[] if feed in EVERY_DAY else pytest.mark.long)
        for feed, id_ in DELIVERIES
    ],
)
def test_a_delivery_breaks_it_and_another_just_keeps_it(
    successes: Callable[[str], dict[str, list[bool]]], feed: str, expectation: str
) -> None:
    assert successes(feed)[expectation] == [True, True, False]
