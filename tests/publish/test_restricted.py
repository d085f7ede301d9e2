"""Flags on staff and prescribers: in `restricted/` of a published run, and nowhere else in it."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from tests.load.network import NORTH
from tests.publish.nights import Nights, plain_nights

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)
NURSE, WITNESS = "nurse-quixote", "nurse-panza"


def entry(name: str, kind: str, amount_mg: str, day: str, **more: str) -> dict[str, str]:
    return {"entry_id": name, "lot": "L1", "drug": "ketamine", "kind": kind,
            "amount_mg": amount_mg, "occurred_at": f"2026-06-{day}T15:00",
            "extracted_at": "2026-06-30T12:00:00Z", "actor_id": NURSE, "witness_id": WITNESS,
            } | more  # fmt: skip


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    with plain_nights():
        nights = Nights(tmp_path_factory.mktemp("restricted"))
        nights.rows(
            f"{NORTH}/inventory_a.csv",
            [entry("i1", "received", "1000", "01"),
             entry("i2", "wasted", "60.25", "02", witness_id=NURSE),
             entry("i3", "wasted", "60", "03", witness_id=""),
             entry("i4", "count", "800", "04")],
        )  # fmt: skip
        nights.publish(as_of=AS_OF)
    return nights


def restricted(nights: Nights, query: str) -> list[tuple[object, ...]]:
    path = nights.current / "restricted" / "restricted.duckdb"
    with duckdb.connect(str(path), read_only=True) as db:
        return db.execute(query).fetchall()


def test_people_are_flagged_there(nights: Nights) -> None:
    found = restricted(
        nights, "SELECT subject_kind, subject_id, signal, row_ids FROM marts.risk_flags ORDER BY 3"
    )
    assert found == [
        ("staff", NURSE, "self-witnessed-waste", ["i2"]),
        ("staff", NURSE, "unwitnessed-waste", ["i3"]),
    ]
    scores = restricted(nights, "SELECT subject_id, score, level FROM marts.risk_scores")
    assert scores == [(NURSE, 3, "moderate")]
    assert restricted(nights, "SELECT count(*) FROM marts.risk_observations") == [(2,)]


def test_lots_are_flagged_for_all_readers(nights: Nights) -> None:
    found = nights.read("SELECT subject_kind, subject_id, signal, observed FROM marts.risk_flags")
    assert found == [("lot", "L1", "lot-variance", 79.75)]
    balance = nights.read(
        "SELECT received_mg, wasted_mg, expected_mg, counted_mg, variance_mg, on_hand_mg "
        "FROM marts.lot_balance"
    )
    assert [tuple(map(str, row)) for row in balance] == [
        ("1000.000000", "120.250000", "879.750000", "800.000000", "-79.750000", "800.000000")
    ]


def test_nothing_else_in_the_run_names_them(nights: Nights) -> None:
    for path in nights.current.rglob("*"):
        if path.is_file() and path.parent.name != "restricted":
            assert NURSE.encode() not in path.read_bytes(), path
    with duckdb.connect(str(nights.current / "results.duckdb"), read_only=True) as db:
        tables = db.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables()")
        for (table,) in tables.fetchall():
            text = str(db.execute(f"FROM {table}").fetchall())
            assert NURSE not in text, table
            assert "witnessed-waste" not in text, table


def test_the_folder_is_its_owners_alone_and_in_the_manifest(nights: Nights) -> None:
    folder = nights.current / "restricted"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "restricted.duckdb").stat().st_mode & 0o777 == 0o600
    assert "restricted/restricted.duckdb" in nights.manifest()["files"]
    assert nights.manifest()["rows"]["restricted/marts.risk_flags"] == 2
