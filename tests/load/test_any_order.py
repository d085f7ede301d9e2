"""Whatever is delivered, in whatever order, over however many nights: the facts of the oracle.

A machine delivers files at random (formats, corrections, ties, withdrawals, the same bytes again,
late files, ones that lack a column, ones of a header alone, whole-network ones), lets nights pass,
takes loaded files away, and after each night holds the facts to the oracle. At the end the same
files are delivered to another warehouse in another order, and give the same facts.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from checks.contract import contract
from flows.warehouse import Warehouse
from tests.load.network import NORTH, SOUTH, Network, fetched
from tests.load.oracle import COLUMNS, NETWORK, File, expected

FULL = "patients"
FEEDS = ("clinics", *COLUMNS)
DAYS = ["2026-01-04", "2026-01-05", "2026-01-06"]
# 06:00 is 12:00Z in the north: few instants, so that ties are common.
INSTANTS = [f"{day}T{clock}" for day in DAYS for clock in ("12:00:00Z", "06:00")]
VALUES = {
    "staff_id": ["ann", "ben"],
    "role": ["nurse", "therapist", "pharmacist", "nurse", "therapist", "wizard", ""],
    "license_expires_on": ["", "", "2027-01-01", "2028-01-01", "2027-13-01"],
    "session_id": ["s1", "s2"],
    "patient_id": ["p1", "p2", "p3"],
    "program": ["iv_ketamine"] * 8 + [""],
    "status": ["completed", "completed", "aborted", "aborted", "no_show", "no_show", "lost"],
    "started_at": ["", "2026-01-03T10:00:00Z", "2026-01-03T10:00", "2026-01-03T25:00"],
    "sex": ["F", "M", "", "X", "Q"],
    "prior_sessions": ["", "0", "3", "3", "many"],
    "deleted": ["", "", "", "", "false", "true"],
}


@st.composite
def files(draw: st.DrawFn) -> File:
    """A file that a clinic or the network delivers; the full feed only from clinics, at one
    instant."""
    feed = draw(st.sampled_from(list(COLUMNS)))
    folders = [NORTH, SOUTH] if feed == FULL else [NORTH, SOUTH, NETWORK]
    folder = draw(st.sampled_from(folders))
    day = draw(st.sampled_from([None, *DAYS]))
    dated = day is not None and draw(st.booleans())
    one = draw(st.sampled_from(INSTANTS))
    clinics = [NORTH, SOUTH, "", "atlantis"] if folder == NETWORK else ["", "", folder, "atlantis"]
    rows = []
    for _ in range(draw(st.integers(1 if day is None else 0, 4))):
        row = {
            name: draw(st.sampled_from(VALUES[name])) for name in COLUMNS[feed] if name in VALUES
        }
        at = one if feed == FULL else draw(st.sampled_from([*INSTANTS, *[""] * 4 * bool(day)]))
        row |= {"clinic_id": draw(st.sampled_from(clinics)), "extracted_at": "" if dated else at}
        rows.append(tuple(row[name] for name in COLUMNS[feed]))
    form = draw(st.sampled_from(["csv", "csv", "csv.gz", "tsv", "parquet"]))
    return File(folder, feed, tuple(rows), day, form)


class Deliveries(RuleBasedStateMachine):
    """A landing folder and its nights; `lying` are the files there by path."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.network = Network(Path(self.folder.name), full=[FULL])
        self.delivered: list[File] = []
        self.lying: dict[str, File] = {}
        self.seen: set[str] = set()

    @rule(file=files())
    def deliver(self, file: File) -> None:
        self.put(file.name(len(self.delivered)), file)

    @precondition(lambda self: self.delivered)
    @rule(data=st.data(), day=st.sampled_from(DAYS), form=st.sampled_from(["same", "parquet"]))
    def deliver_the_same_again(self, data: st.DataObject, day: str, form: str) -> None:
        """The same rows, under another day or in another format."""
        file = data.draw(st.sampled_from(self.delivered))
        again = replace(
            file,
            day=day if file.day else None,
            format=file.format if form == "same" else form,
        )
        self.put(again.name(len(self.delivered)), again)

    @rule(file=files())
    def deliver_without_a_column(self, file: File) -> None:
        needed = [c.name for c in contract(file.feed).columns if c.required]
        broken = replace(file, lacks=needed[-1])
        self.put(broken.name(len(self.delivered)), broken)

    @precondition(lambda self: any(self.lying[path].lacks for path in self.seen & set(self.lying)))
    @rule()
    def mend(self) -> None:
        """Over a file that was blocked, in its place."""
        path = min(path for path in self.seen & set(self.lying) if self.lying[path].lacks)
        self.put(path, replace(self.lying[path], lacks=None))

    @precondition(lambda self: self.seen & set(self.lying))
    @rule(data=st.data())
    def take_away(self, data: st.DataObject) -> None:
        """What was loaded stays loaded."""
        path = data.draw(st.sampled_from(sorted(self.seen & set(self.lying))))
        (self.network.landing / path).unlink()
        del self.lying[path]

    @rule()
    def night(self) -> None:
        self.network.night(FEEDS)
        self.seen |= set(self.lying)
        with self.network.opened() as warehouse:
            assert_facts(warehouse, self.delivered)
            assert_rows_add_up(warehouse, self.lying)

    def put(self, path: str, file: File) -> None:
        self.network.deliver(path, file.packed)
        self.delivered.append(file)
        self.lying[path] = file
        self.seen.discard(path)

    def teardown(self) -> None:
        if not hasattr(self, "folder"):
            return
        with self.folder:
            self.night()
            with tempfile.TemporaryDirectory() as folder:
                other = in_another_order(self.delivered, Path(folder))
                with self.network.opened() as one, other.opened() as another:
                    assert in_force(one) == in_force(another)


def in_another_order(delivered: list[File], folder: Path) -> Network:
    """The same files in an order and over nights that are drawn from their contents."""
    random = Random(sha256(repr(delivered).encode()).hexdigest())
    network = Network(folder, full=[FULL])
    order = random.sample(list(enumerate(delivered)), len(delivered))
    for number, file in order:
        network.deliver(file.name(number), file.packed)
        if random.random() < 0.4:
            network.night(FEEDS)
    network.night(FEEDS)
    return network


def assert_facts(warehouse: Warehouse, delivered: list[File]) -> None:
    found = in_force(warehouse)
    for feed in COLUMNS:
        wanted = expected(feed, delivered, full=feed == FULL)
        assert found[feed] == (wanted.facts, wanted.quarantined), feed


def in_force(warehouse: Warehouse) -> dict[str, tuple[list[Any], set[Any]]]:
    """By feed the rows in force, and the keys in quarantine, as the oracle writes them."""
    return {feed: _in_force(warehouse, feed) for feed in COLUMNS}


def _in_force(warehouse: Warehouse, feed: str) -> tuple[list[Any], set[Any]]:
    held = contract(feed)
    names = [name for name in COLUMNS[feed] if name in VALUES and name != "deleted"]
    columns = [
        f"strftime({name}, '%Y-%m-%dT%H:%M:%SZ')" if held.column(name).type == "timestamp"
        else f"{name}::VARCHAR" for name in names
    ]  # fmt: skip
    rows = fetched(
        warehouse, f"SELECT clinic_id, _extracted_at, {', '.join(columns)} FROM facts.{feed}"
    )
    facts = [(clinic, tuple(values), at.astimezone(UTC)) for clinic, at, *values in rows]
    quarantined = fetched(
        warehouse,
        "SELECT DISTINCT clinic_id, key_id FROM ops.quarantine WHERE released_run IS NULL "
        f"AND feed = '{feed}' AND clinic_id IN ('{NORTH}', '{SOUTH}')",
    )
    return sorted(facts, key=str), set(quarantined)


def assert_rows_add_up(warehouse: Warehouse, lying: dict[str, File]) -> None:
    """Each batch's rows are loaded, unchanged or quarantined, or it is blocked."""
    rows = fetched(
        warehouse, "SELECT path, state, rows, loaded, unchanged, quarantined FROM ops.batches"
    )
    for path, state, count, loaded, unchanged, bad in rows:
        assert state in ("accepted", "partial", "blocked", "duplicate"), path
        if state != "blocked":
            assert count == loaded + unchanged + bad, path
        if path in lying and lying[path].lacks:
            assert state == "blocked", path


def run(orders: int, steps: int) -> None:
    """Each example is two orders of one set of files."""
    run_machine(
        Deliveries,
        settings=settings(
            max_examples=orders // 2, stateful_step_count=steps,
            suppress_health_check=list(HealthCheck), print_blob=True,
        ),
    )  # fmt: skip


def test_the_facts_are_those_of_the_oracle_in_eight_orders() -> None:
    run(8, steps=8)


@pytest.mark.long
def test_the_facts_are_those_of_the_oracle_in_hundreds_of_orders() -> None:
    run(400, steps=20)
