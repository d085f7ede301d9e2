"""Files that are not what their name says: blocked with one sentence that quotes no cell."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import duckdb
import pytest

from flows.errors import UsageError, WarehouseBusy
from flows.warehouse import open_warehouse
from tests.load.network import NORTH, Network

SECRET = "Zacharias-Quill"
HEADER = "staff_id,role,license_expires_on\n"


def padded(bad: str, at: int = 2, rows: int = 4) -> str:
    """A file whose data row `at` is bad, among good ones."""
    lines = [f"s{number},nurse,2027-01-01\n" for number in range(rows)]
    lines.insert(at, bad)
    return HEADER + "".join(lines)


BAD: dict[str, tuple[str | bytes, str]] = {
    "a row with a field too many": (padded(f"x,{SECRET},2027-01-01,more\n"), "line 4"),
    "a row with a field too few": (padded(f"x,{SECRET}\n"), "line 4"),
    "a quote that does not end": (padded(f'x,"{SECRET},2027-01-01\n'), "line"),
    "text after a closing quote": (padded(f'x,"{SECRET}"y,2027-01-01\n'), "line 4"),
    "cp1252": (padded(f"x,caf\xe9 {SECRET},\n").encode("cp1252"), "UTF-8"),
    "UTF-16": (padded(f"x,{SECRET},\n").encode("utf-16"), "UTF-8"),
    "a zip": (b"PK\x03\x04\x00\xff" + SECRET.encode(), "UTF-8"),
    "zero bytes": (padded(f"x,{SECRET}\0,\n"), "zero"),
    "an empty file": ("", "empty"),
    "a doubled header": (f"staff_id,role,role\nx,{SECRET},y\n", "same name"),
    "a header without names": (f",,\nx,{SECRET},y\n", "header"),
    "a needed column missing": (f"staff_id,rolle\nx,{SECRET}\n", "rolle"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_file_is_blocked_whole_and_told_without_its_content(
    network: Network, what: str
) -> None:
    content, said = BAD[what]
    network.deliver(f"{NORTH}/staff_bad.csv", content)
    network.deliver(f"{NORTH}/staff_good.csv", HEADER + "ann,nurse,\n")
    night = network.night()["staff"]
    assert night.batches == {"accepted": 1, "blocked": 1}
    state, reason = network.state(f"{NORTH}/staff_bad.csv")
    assert state == "blocked" and reason is not None
    assert said.lower() in reason.lower()
    assert SECRET not in reason and "x," not in reason
    (note,) = (note for note in night.notes if "staff_bad.csv" in note)
    assert SECRET not in note
    assert network.facts("staff", "staff_id") == [("ann",)]
    assert network.night()["staff"].batches == {}, "it is not tried again without a reason"


@pytest.mark.parametrize("fields", [2, 4])
@pytest.mark.parametrize("rows", [3, 5_000, 60_000])
def test_no_ragged_row_is_ever_lost(network: Network, fields: int, rows: int) -> None:
    chance = random.Random(rows + fields)
    bad = ",".join(["x", "nurse", "2027-01-01", "y"][:fields]) + "\n"
    at = chance.randrange(rows)
    network.deliver(f"{NORTH}/staff_bad.csv", padded(bad, at, rows))
    assert network.night(["clinics", "staff"])["staff"].batches == {"blocked": 1}
    assert f"line {at + 2}" in (network.state(f"{NORTH}/staff_bad.csv")[1] or "")


GOOD: dict[str, tuple[str, bytes]] = {
    "a BOM": ("staff.csv", b"\xef\xbb\xbf" + HEADER.encode() + b"ann,nurse,\n"),
    "CRLF": ("staff.csv", HEADER.replace("\n", "\r\n").encode() + b"ann,nurse,\r\n"),
    "no newline at the end": ("staff.csv", HEADER.encode() + b"ann,nurse,"),
    "columns in another order": ("staff.csv", b"role,staff_id\nnurse,ann\n"),
    "quoted fields": ("staff.csv", b'"staff_id","role"\n"ann","nurse"\n'),
    "gzip": ("staff.csv.gz", gzip.compress(HEADER.encode() + b"ann,nurse,\n")),
    "tabs": ("staff.tsv", b"staff_id\trole\nann\tnurse\n"),
    "a suffix in capitals": ("staff.CSV", HEADER.encode() + b"ann,nurse,\n"),
    "anything after the feed": ("staff_x y (2).csv", HEADER.encode() + b"ann,nurse,\n"),
}


@pytest.mark.parametrize("what", GOOD)
def test_what_is_allowed_is_loaded(network: Network, what: str) -> None:
    name, content = GOOD[what]
    network.deliver(f"{NORTH}/{name}", content)
    assert network.night()["staff"].batches == {"accepted": 1}, network.state(f"{NORTH}/{name}")
    assert network.facts("staff", "staff_id", "role") == [("ann", "nurse")]


def test_text_is_kept_as_it_is_and_an_empty_field_is_null(network: Network) -> None:
    network.deliver(
        f"{NORTH}/patients.csv",
        'patient_id,given_name,family_name,postal_code\np1,"A ""B"",\nC ",,""\np2,NULL,NA,00123\n',
    )
    network.night()
    facts = network.facts("patients", "patient_id", "given_name", "family_name", "postal_code")
    assert facts == [("p1", 'A "B",\nC ', None, None), ("p2", "NULL", "NA", "00123")]


def test_a_parquet_file_gives_what_the_csv_gives(network: Network) -> None:
    path = network.landing / NORTH / "shifts.parquet"
    path.parent.mkdir(parents=True)
    duckdb.execute(
        "COPY (SELECT 's1' AS shift_id, 7 AS staff_id, TIMESTAMPTZ '2026-01-01 08:00:00Z' AS "
        "started_at, TIMESTAMP '2026-01-01 12:00:00.5' AS ended_at) "
        f"TO '{path}' (FORMAT parquet)"
    )
    network.night()
    facts = network.facts("shifts", "staff_id", "started_at::VARCHAR", "ended_at::VARCHAR")
    assert facts == [("7", "2026-01-01 08:00:00+00", "2026-01-01 18:00:00.5+00")]


def test_a_broken_parquet_file_is_blocked(network: Network) -> None:
    network.deliver(f"{NORTH}/staff.parquet", b"PAR1" + SECRET.encode() + b"PAR1")
    assert network.night()["staff"].batches == {"blocked": 1}
    assert SECRET not in (network.state(f"{NORTH}/staff.parquet")[1] or "")


def whole_parquet(network: Network) -> bytes:
    path = network.folder / "whole.parquet"
    duckdb.execute(
        f"COPY (SELECT 's' || i AS staff_id, '{SECRET}' || hash(i) AS role FROM range(20000) t(i)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    return path.read_bytes()


@pytest.mark.parametrize("what", ["cut off", "a page overwritten", "not gzipped", "gzip cut off"])
def test_damaged_files_are_blocked_and_never_half_read(network: Network, what: str) -> None:
    if "gzip" in what:
        content = gzip.compress(padded("", rows=50_000).encode())
        content = content[: len(content) // 2] if what == "gzip cut off" else b"staff_id,role\n"
        name = "staff.csv.gz"
    else:
        content, name = whole_parquet(network), "staff.parquet"
        half = len(content) // 2
        if what == "cut off":
            content = content[:half]
        else:
            content = content[: half - 4_000] + b"\xff" * 8_000 + content[half + 4_000 :]
    network.deliver(f"{NORTH}/{name}", content)
    assert network.night(["clinics", "staff"])["staff"].batches == {"blocked": 1}
    assert SECRET not in (network.state(f"{NORTH}/{name}")[1] or "")
    assert network.facts("staff", "staff_id") == []


def test_links_pipes_and_odd_names_are_left_aside_with_a_note(
    network: Network, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(HEADER + "ann,nurse,\n")
    folder = network.landing / NORTH
    folder.mkdir(parents=True)
    (folder / "staff_link.csv").symlink_to(outside)
    os.mkfifo(folder / "staff_pipe.csv")
    (folder / "staff_\n.csv").write_text(HEADER)
    (folder / "staff_folder.csv").mkdir()
    (folder / "notes.txt").write_text("x")
    (folder / "stafff_2026.csv").write_text(HEADER)
    night = network.night()
    assert night["staff"].batches == {}
    told = "\n".join(network.found.notes)
    for name in (
        "staff_link.csv",
        "staff_pipe.csv",
        "staff_folder.csv",
        "notes.txt",
        "stafff_2026",
    ):
        assert name in told
    assert "did you mean staff" in told
    assert len(network.found.notes) == 6 == len(told.splitlines())


def test_a_linked_clinic_folder_is_left_aside(network: Network, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "staff.csv").write_text(HEADER + "ann,nurse,\n")
    (network.landing / "east").symlink_to(outside)
    network.night()
    assert network.facts("staff", "staff_id") == []
    assert any("east" in note for note in network.found.notes)


def test_a_landing_folder_that_is_missing_or_empty_is_one_sentence(tmp_path: Path) -> None:
    network = Network(tmp_path)
    (network.landing / "_network" / "clinics_2026-01-01.csv").unlink()
    with pytest.raises(UsageError, match="landing"):
        network.night()
    (network.landing / "_network").rmdir()
    network.landing.rmdir()
    with pytest.raises(UsageError, match="landing"):
        network.night()


def test_a_second_run_is_turned_away_while_the_first_holds_the_warehouse(
    network: Network,
) -> None:
    with network.opened(), pytest.raises(WarehouseBusy), network.opened():
        pass


def test_the_warehouse_is_its_owner_s_alone(network: Network) -> None:
    network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    network.night()
    folder = network.settings.warehouse
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_nothing_in_landing_is_changed(network: Network) -> None:
    path = network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    before = path.stat()
    network.night()
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.read_text() == HEADER + "ann,nurse,\n"


def test_a_damaged_database_is_told_or_rebuilt_but_never_a_traceback(network: Network) -> None:
    from flows.errors import KeelError

    network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    network.night()
    database = network.settings.warehouse / "keel.duckdb"
    database.write_bytes(b"x" * 20_000)
    try:
        with open_warehouse(network.settings.warehouse):
            pass
    except KeelError as error:
        assert "keel.duckdb" in str(error)
