"""A raw file of which a byte is not what was written: noticed wherever it would be read again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from flows.backup import backup, restore
from flows.batches import retry_batch, withdraw_batch
from flows.errors import KeelError, UsageError
from flows.raw import keep, told
from flows.tombstones import tombstones
from tests.commands.cli import keel
from tests.load.network import NORTH, SOUTH, Network

HEADER = "staff_id,role,extracted_at\n"
FEEDS = ["clinics", "staff"]
PLACES = 60


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """Three deliveries of staff, two of them of the north, loaded."""
    monkeypatch.setattr("flows.load.validate", lambda *_: [])
    network = Network(tmp_path)
    network.deliver(f"{NORTH}/staff_a.csv", HEADER + "ann,nurse,2026-01-01T06:00Z\n")
    network.deliver(f"{NORTH}/staff_b.csv", HEADER + "ben,admin,2026-01-02T06:00Z\n")
    network.deliver(f"{SOUTH}/staff_a.csv", HEADER + "cy,nurse,2026-01-01T06:00Z\n")
    network.night(FEEDS)
    return network


def raw_of(network: Network, path: str) -> Path:
    ((clinic, batch_id),) = network.ask(
        f"SELECT clinic_id, batch_id FROM ops.batches WHERE path = '{path}'"
    )
    return Path(network.settings.warehouse / "raw" / clinic / "staff" / f"{batch_id}.parquet")


def spoil(path: Path, old: bytes = b"ann", new: bytes = b"amn") -> None:
    """Change a cell, so that the file can be read as ever."""
    content = path.read_bytes()
    assert content.count(old) >= 1
    path.write_bytes(content.replace(old, new))


def staff(network: Network) -> list[str]:
    return [name for (name,) in network.facts("staff", "staff_id")]


def lose_the_database(network: Network) -> None:
    (network.settings.warehouse / "keel.duckdb").unlink()


def must_be_loaded_anew(network: Network) -> None:
    with network.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.batches SET contract_sha256 = 'older'")


def noticed(tmp_path: Path, places: int) -> int:
    """Damage a raw file one byte at a time; in how many places DuckDB could still read it all."""
    path, read = tmp_path / "b.parquet", 0
    with duckdb.connect() as db:
        rows = "SELECT i::VARCHAR AS id, hash(i)::VARCHAR AS cell FROM range(400) t(i)"
        keep(db, rows, path, {"batch_id": "b", "path": "north/staff.csv"})
        whole = path.read_bytes()
        assert told(db, path) == {"batch_id": "b", "path": "north/staff.csv"}
        for number in range(places):
            at = number * (len(whole) - 1) // (places - 1)
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x01]) + whole[at + 1 :])
            assert told(db, path) is None, f"byte {at} of {len(whole)}"
            try:
                db.execute("SELECT hash(COLUMNS(*)) FROM read_parquet(?)", [str(path)]).fetchall()
            except duckdb.Error:
                continue
            read += 1
    return read


def test_a_byte_that_is_another_is_noticed(tmp_path: Path) -> None:
    assert noticed(tmp_path, PLACES) > 0, "else the SHA-256 finds nothing that DuckDB does not"


@pytest.mark.long
def test_any_byte_that_is_another_is_noticed(tmp_path: Path) -> None:
    noticed(tmp_path, 5_000)


def test_what_is_damaged_is_not_built_again_from_raw_but_read_anew(loaded: Network) -> None:
    spoil(raw_of(loaded, f"{NORTH}/staff_a.csv"))
    lose_the_database(loaded)
    loaded.night(FEEDS)
    assert staff(loaded) == ["ann", "ben", "cy"]


def test_what_is_damaged_and_delivered_no_more_is_told(loaded: Network) -> None:
    damaged = raw_of(loaded, f"{NORTH}/staff_a.csv")
    spoil(damaged)
    lose_the_database(loaded)
    (loaded.landing / NORTH / "staff_a.csv").unlink()
    loaded.night(FEEDS)
    assert staff(loaded) == ["ben", "cy"]
    assert [note for note in loaded.found.notes if f"{damaged}: is damaged" in note]


def test_a_feed_is_loaded_anew_without_what_is_damaged(loaded: Network) -> None:
    spoil(raw_of(loaded, f"{NORTH}/staff_a.csv"))
    must_be_loaded_anew(loaded)
    assert loaded.night(FEEDS)["staff"].batches == {"accepted": 2, "blocked": 1}
    assert staff(loaded) == ["ben", "cy"]
    assert "raw copy is damaged" in (loaded.state(f"{NORTH}/staff_a.csv")[1] or "")
    assert loaded.night(FEEDS)["staff"].batches == {"accepted": 1}
    assert staff(loaded) == ["ann", "ben", "cy"]


@pytest.mark.parametrize("blocked", [False, True])
def test_retry_writes_it_anew_from_the_landing_folder(loaded: Network, blocked: bool) -> None:
    path = f"{NORTH}/staff_a.csv"
    damaged = raw_of(loaded, path)
    before = damaged.read_bytes()
    spoil(damaged)
    if blocked:
        must_be_loaded_anew(loaded)
        loaded.night(FEEDS)
    with loaded.opened() as warehouse:
        done = retry_batch(warehouse, damaged.stem, loaded.settings)
    assert done.batch["state"] == "accepted"
    assert damaged.read_bytes() == before
    assert staff(loaded) == ["ann", "ben", "cy"]
    assert loaded.night(FEEDS)["staff"].batches == {}


def test_retry_takes_no_other_bytes_than_those_that_came(loaded: Network) -> None:
    damaged = raw_of(loaded, f"{NORTH}/staff_a.csv")
    spoil(damaged)
    loaded.deliver(f"{NORTH}/staff_a.csv", HEADER + "eve,nurse,2026-01-01T06:00Z\n")
    with loaded.opened() as warehouse, pytest.raises(UsageError, match="is damaged"):
        retry_batch(warehouse, damaged.stem, loaded.settings)
    assert staff(loaded) == ["ann", "ben", "cy"]


def test_another_of_its_feed_cannot_be_withdrawn_but_itself_can(loaded: Network) -> None:
    damaged, other = (raw_of(loaded, f"{NORTH}/staff_{name}.csv") for name in "ab")
    spoil(damaged)
    with loaded.opened() as warehouse:
        with pytest.raises(KeelError, match=f"{damaged}: is damaged"):
            withdraw_batch(warehouse, other.stem, loaded.settings)
        withdraw_batch(warehouse, damaged.stem, loaded.settings)
    assert staff(loaded) == ["ben", "cy"]


def test_doctor_backup_and_restore_tell_it(loaded: Network, tmp_path: Path) -> None:
    damaged = raw_of(loaded, f"{NORTH}/staff_a.csv")
    archive, other = tmp_path / "keel.tar.gz", tmp_path / "other"
    assert backup(loaded.settings.warehouse, tmp_path / "whole.tar.gz").notes == ()
    spoil(damaged)
    (said,) = backup(loaded.settings.warehouse, archive).notes
    assert said.startswith(f"{damaged}: is damaged") and damaged.stem in said
    (said,) = restore(archive, other).notes
    assert damaged.name in said
    done = keel("doctor", "--json", "--warehouse", loaded.settings.warehouse)
    broken = [one for one in json.loads(done.stdout)["findings"] if one["level"] == "broken"]
    assert [one["check"] for one in broken] == ["raw deliveries"]
    assert str(damaged) in broken[0]["says"] and damaged.stem in broken[0]["mend"]


def test_what_an_earlier_keel_kept_is_read_as_ever(loaded: Network) -> None:
    kept = raw_of(loaded, f"{NORTH}/staff_a.csv")
    with duckdb.connect() as db:
        about = told(db, kept)
        assert about is not None
        text = repr(about).replace("'", '"').replace("None", "null")
        db.execute(
            f"COPY (FROM read_parquet('{kept}')) TO '{kept}.new' "
            f"(FORMAT parquet, KV_METADATA {{keel: '{text}'}})"
        )
        Path(f"{kept}.new").replace(kept)
        assert told(db, kept) == about
    lose_the_database(loaded)
    shutil.rmtree(loaded.landing / NORTH)
    loaded.night(FEEDS)
    assert staff(loaded) == ["ann", "ben", "cy"]


def test_without_the_list_of_those_purged_nothing_lands(loaded: Network) -> None:
    with loaded.opened() as warehouse:
        keep(warehouse.db, "SELECT 'abc' AS hash", tombstones(warehouse), {})
        spoil(tombstones(warehouse), b"abc", b"abd")
    loaded.deliver(f"{NORTH}/patients_a.csv", "patient_id\np1\n")
    with pytest.raises(KeelError, match="purged patients would be loaded again"):
        loaded.night(FEEDS)
