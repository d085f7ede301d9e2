"""A delivery state machine: one truth, brought in any order and partition, gives the same marts.

The truth is rows of two clinics with corrections, ties, withdrawals and rows that cannot be read.
The machine writes them in files of its choice, in any format, some twice, some broken at first,
with nights in between; in the end all have come. What a key says twice in one file would be in
quarantine, so that no file holds two versions of a key.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.load.network import NORTH, SOUTH, as_csv
from tests.publish.nights import Nights
from tests.publish.test_nights import with_known_key

ORDERS = int(os.environ.get("KEEL_TEST_ORDERS", "3"))
FEEDS = ("patients", "sessions", "doses", "outcomes")
Row = dict[str, str]


def _sessions() -> list[Row]:
    rows = []
    for number in range(4):
        good = {
            "session_id": f"s{number}", "patient_id": f"p{number % 2}", "program": "iv_ketamine",
            "status": "completed", "started_at": f"2026-05-{10 + 5 * number}T10:00",
            "ended_at": f"2026-05-{10 + 5 * number}T10:40", "weight_kg": "80", "deleted": "",
            "extracted_at": "2026-05-28T06:00:00Z",
        }  # fmt: skip
        rows.append(good)
        rows.append(good | {"weight_kg": "", "extracted_at": "2026-05-27T06:00:00Z"})
        # A tie: two versions extracted at one instant.
        rows.append(good | {"ended_at": good["ended_at"][:-2] + "55"})
    rows.append(rows[0] | {"deleted": "true", "extracted_at": "2026-05-29T06:00:00Z"})
    rows.append(rows[3] | {"ended_at": "nine o'clock", "extracted_at": "2026-05-29T06:00:00Z"})
    return rows


def _doses() -> list[Row]:
    return [
        {
            "dose_id": f"d{number}", "session_id": f"s{number}", "patient_id": f"p{number % 2}",
            "drug": "ketamine", "amount_mg": amount, "deleted": "",
            "started_at": f"2026-05-{10 + 5 * number}T10:00",
            "extracted_at": f"2026-05-2{7 + late}T06:00:00Z",
        }
        for number in range(4)
        for late, amount in enumerate(("100", "40"))
    ]  # fmt: skip


def _outcomes() -> list[Row]:
    return [
        {
            "outcome_id": f"o{number}", "patient_id": f"p{number % 2}", "session_id": f"s{number}",
            "instrument": "PHQ-9", "administered_at": f"2026-05-{11 + 5 * number}T09:00",
            "total": str(total), "extracted_at": f"2026-05-2{8 - late}T06:00:00Z",
        }
        for number in range(3)
        for late, total in enumerate((20, 28))
    ]  # fmt: skip


def _patients() -> list[Row]:
    return [
        {"patient_id": f"p{number}", "sex": "F", "extracted_at": "2026-05-28T06:00:00Z"}
        for number in range(2)
    ]


TRUTH: tuple[tuple[str, str, Row], ...] = tuple(
    (clinic, feed, row)
    for clinic in (NORTH, SOUTH)
    for feed, rows in (("patients", _patients()), ("sessions", _sessions()), ("doses", _doses()),
                       ("outcomes", _outcomes()))
    for row in rows
)  # fmt: skip
KEYS = {"patients": "patient_id", "sessions": "session_id", "doses": "dose_id",
        "outcomes": "outcome_id"}  # fmt: skip


class Deliveries(RuleBasedStateMachine):
    """Files written so far, and rows of the truth that are still to come."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.nights = with_known_key(Nights(Path(self.folder.name)))
        self.coming = list(TRUTH)
        self.files = 0
        self.written: list[tuple[str, str, bytes, str]] = []

    @rule(
        clinic=st.sampled_from([NORTH, SOUTH]),
        feed=st.sampled_from(FEEDS),
        chosen=st.lists(st.integers(0, 13), min_size=1, max_size=9),
        suffix=st.sampled_from(["csv", "csv", "tsv", "parquet"]),
    )
    def deliver(self, clinic: str, feed: str, chosen: list[int], suffix: str) -> None:
        """Some rows of one clinic and feed, in the order chosen."""
        mine = [entry for entry in self.coming if entry[:2] == (clinic, feed)]
        picked: dict[str, tuple[str, str, Row]] = {}
        for number in chosen:
            if number < len(mine):
                picked.setdefault(mine[number][2][KEYS[feed]], mine[number])
        if picked:
            self._write(clinic, feed, list(picked.values()), suffix)

    @rule(which=st.integers(0, 5))
    def deliver_again(self, which: int) -> None:
        """The bytes of an earlier file under another name."""
        if which < len(self.written):
            clinic, feed, content, suffix = self.written[which]
            self.files += 1
            self.nights.deliver(f"{clinic}/{feed}_again{self.files}.{suffix}", content)

    @rule(clinic=st.sampled_from([NORTH, SOUTH]), feed=st.sampled_from(FEEDS))
    def deliver_broken(self, clinic: str, feed: str) -> None:
        """A file without its id column brings nothing."""
        self.files += 1
        self.nights.deliver(f"{clinic}/{feed}_broken{self.files}.csv", "deleted,sex\nfalse,F\n")

    @rule(clinic=st.sampled_from([NORTH, SOUTH]), feed=st.sampled_from(FEEDS))
    def deliver_nothing(self, clinic: str, feed: str) -> None:
        """A file with only a header, of a day before all others."""
        self.files += 1
        header = ",".join(next(row for c, f, row in TRUTH if (c, f) == (clinic, feed)))
        self.nights.deliver(f"{clinic}/{feed}_{self.files}_2026-05-01.csv", header + "\n")

    @rule()
    def night(self) -> None:
        self.nights.night(["clinics", *FEEDS])
        self._every_batch_adds_up()

    def _every_batch_adds_up(self) -> None:
        wrong = self.nights.ask(
            "SELECT path FROM ops.batches WHERE state IN ('accepted', 'partial', 'duplicate') "
            "AND rows IS DISTINCT FROM loaded + unchanged + quarantined"
        )
        assert not wrong

    def teardown(self) -> None:
        """All has come at last, and the marts are those of the truth delivered at once."""
        try:
            self._write_all()
            self.nights.publish()
            self._every_batch_adds_up()
            assert self.nights.marts() == reference()
        finally:
            self.folder.cleanup()

    def _write_all(self) -> None:
        while self.coming:
            clinic, feed, _ = self.coming[0]
            mine = [entry for entry in self.coming if entry[:2] == (clinic, feed)]
            first = {entry[2][KEYS[feed]]: entry for entry in reversed(mine)}
            self._write(clinic, feed, list(first.values()), "csv")

    def _write(
        self, clinic: str, feed: str, entries: list[tuple[str, str, Row]], suffix: str
    ) -> None:
        for entry in entries:
            self.coming.remove(entry)
        self.files += 1
        content = written([row for _, _, row in entries], suffix, self.nights.folder)
        self.written.append((clinic, feed, content, suffix))
        self.nights.deliver(f"{clinic}/{feed}_{self.files}.{suffix}", content)


def written(rows: list[Row], suffix: str, folder: Path) -> bytes:
    """Rows as a file of a format."""
    columns = list(rows[0])
    if suffix == "parquet":
        path = folder / "rows.parquet"
        cells = {name: [row[name] or None for row in rows] for name in columns}
        pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String)).write_parquet(path)
        content = path.read_bytes()
        path.unlink()
        return content
    text = as_csv(rows, columns)
    return (text.replace(",", "\t") if suffix == "tsv" else text).encode()


@cache
def reference() -> dict[str, list[tuple[Any, ...]]]:
    """Marts of the truth, each version in a file of its own, in one night."""
    with tempfile.TemporaryDirectory() as folder:
        nights = with_known_key(Nights(Path(folder)))
        for number, (clinic, feed, row) in enumerate(TRUTH):
            nights.rows(f"{clinic}/{feed}_{number}.csv", [row])
        nights.publish()
        marts = nights.marts()
    assert marts["findings"], "a truth without findings would prove little"
    return marts


def test_any_order_and_partition_of_deliveries_gives_the_same_marts() -> None:
    """Three orders in `make test`; `make orders` runs five hundred."""
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=ORDERS,
            stateful_step_count=14,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
