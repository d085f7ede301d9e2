"""Raw is the truth: whatever becomes of the database, the same facts come out of it again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.settings import SourceSettings
from tests.load.network import NORTH, SOUTH, Network, fetched

HEADER = "staff_id,role,extracted_at\n"
QUERIES = (
    "SELECT clinic_id, staff_id, role, extracted_at, _extracted_at FROM facts.staff ORDER BY ALL",
    "SELECT clinic_id, staff_id, role, _withdrawn FROM facts.staff_history ORDER BY ALL",
    "SELECT clinic_id, key_id, row_number, reasons, released_run IS NULL FROM ops.quarantine "
    "ORDER BY ALL",
    "SELECT path, file_sha256, first_seen_at, extract_at, delivered_at, rows, loaded, unchanged, "
    "quarantined, state FROM ops.batches ORDER BY ALL",
)


@pytest.fixture(scope="module")
def loaded_once(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Two clinics, two nights: corrections, a withdrawal, a row in quarantine, one released."""
    network = Network(tmp_path_factory.mktemp("loaded"))
    network.deliver(
        f"{NORTH}/staff_a.csv",
        HEADER + "ann,nurse,2026-01-01T06:00Z\nben,wizard,2026-01-01T06:00Z\n"
        "cy,wizard,2026-01-01T06:00Z\n",
    )
    network.deliver(f"{SOUTH}/staff_2026-01-01.csv", "staff_id,role\nann,admin\n")
    network.night()
    network.deliver(
        f"{NORTH}/staff_b.csv",
        HEADER[:-1] + ",deleted\nann,therapist,2026-01-02T06:00Z,\nben,admin,2026-01-02T06:00Z,\n"
        "dee,,2026-01-02T06:00Z,true\n",
    )
    network.night()
    return network


@pytest.fixture
def loaded(loaded_once: Network, tmp_path: Path) -> Network:
    return loaded_once.copied(tmp_path)


def state(network: Network) -> list[list[tuple[object, ...]]]:
    return [network.ask(query) for query in QUERIES]


def database(network: Network) -> Path:
    return network.settings.warehouse / "keel.duckdb"


def test_tables_that_are_missing_are_made_and_the_others_left(loaded: Network) -> None:
    before = state(loaded)
    lacking = ("ops.column_counts", "marts.findings", "facts.rates", "facts.hours_history")
    with loaded.opened() as opened:
        for table in lacking:
            opened.db.execute(f"DROP TABLE {table}")
    with loaded.opened():
        pass
    assert all(loaded.ask(f"SELECT count(*) FROM {table}") == [(0,)] for table in lacking)
    assert state(loaded) == before


def test_a_lost_database_is_built_again_from_raw_alone(loaded: Network) -> None:
    before = state(loaded)
    database(loaded).unlink()
    shutil.rmtree(loaded.landing)
    loaded.deliver("_network/clinics_2026-01-01.csv", "clinic_id,name,time_zone\n")
    loaded.night()
    assert state(loaded)[:3] == before[:3]


def test_with_the_landing_folder_still_there_nothing_is_delivered_twice(loaded: Network) -> None:
    before = state(loaded)
    database(loaded).unlink()
    loaded.night()
    assert state(loaded) == before
    assert loaded.night()["staff"].batches == {}


def test_a_damaged_database_is_set_aside_and_built_again(loaded: Network) -> None:
    before = state(loaded)
    database(loaded).write_bytes(b"\0damaged" * 5_000)
    loaded.night()
    assert state(loaded) == before
    assert any("damaged" in note for note in loaded.found.notes)
    assert list(loaded.settings.warehouse.glob("keel.duckdb.damaged-*"))


def test_facts_that_do_not_add_up_are_loaded_anew(loaded: Network) -> None:
    before = state(loaded)
    with loaded.opened() as warehouse:
        warehouse.db.execute("DELETE FROM facts.staff WHERE role = 'therapist'")
    loaded.night()
    assert state(loaded) == before
    assert any("staff" in note for note in loaded.found.notes)


@pytest.mark.parametrize("also_facts", [False, True])
def test_a_delivery_that_the_database_forgot_is_adopted_from_raw(
    loaded: Network, also_facts: bool
) -> None:
    before = state(loaded)
    with loaded.opened() as warehouse:
        for table, column in (("ops.files", "path"), ("ops.batches", "path")):
            warehouse.db.execute(f"DELETE FROM {table} WHERE {column} = '{NORTH}/staff_b.csv'")
        if also_facts:
            warehouse.db.execute("DELETE FROM facts.staff_history")
    loaded.night()
    assert state(loaded)[0] == before[0]
    assert [row[:2] for row in state(loaded)[3]] == [row[:2] for row in before[3]]
    assert loaded.night()["staff"].batches == {}


def test_a_half_written_raw_file_is_no_delivery(loaded: Network) -> None:
    before = state(loaded)
    folder = loaded.settings.warehouse / "raw" / NORTH / "staff"
    (folder / "b0123.tmp").write_bytes(b"PAR1")
    (folder / "b4567.parquet").write_bytes(b"PAR1")
    loaded.night()
    assert state(loaded) == before


def test_a_feed_is_loaded_anew_when_its_contract_changed(loaded: Network) -> None:
    before = state(loaded)
    with loaded.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.batches SET contract_sha256 = 'older'")
        warehouse.db.execute("UPDATE facts.staff SET role = 'nurse'")
    night = loaded.night()
    assert state(loaded) == before
    assert night["staff"].batches == {"partial": 1, "accepted": 2}


def test_quarantined_rows_are_tried_again_when_keel_s_version_changed(loaded: Network) -> None:
    before = state(loaded)
    with loaded.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.batches SET keel_version = 'older'")
        warehouse.db.execute("UPDATE ops.quarantine SET reasons = ['role: older']")
    loaded.night()
    assert state(loaded) == before


def test_a_blocked_batch_is_tried_again_when_its_share_changed(tmp_path: Path) -> None:
    network = Network(tmp_path, share=0.05)
    network.deliver(f"{NORTH}/staff_a.csv", HEADER + "ann,nurse,\nben,wizard,\n")
    assert network.night()["staff"].batches == {"blocked": 1}
    assert network.night()["staff"].batches == {}
    network.settings = network.settings.model_copy(update={"quarantine_share": 0.5})
    assert network.night()["staff"].batches == {"partial": 1}


def test_an_unreadable_file_is_tried_again_when_keel_s_version_changed(network: Network) -> None:
    network.deliver(f"{NORTH}/staff_a.csv", HEADER + "ann,nurse,\nben\n")
    assert network.night()["staff"].batches == {"blocked": 1}
    with network.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.batches SET keel_version = 'older'")
    assert network.night()["staff"].batches == {"blocked": 1}
    assert len(network.batches("staff")) == 1


def test_network_rows_of_a_clinic_that_becomes_known_are_released(network: Network) -> None:
    network.deliver(
        "_network/staff_a.csv", "staff_id,role,clinic_id\nann,nurse,west\nben,nurse,north\n"
    )
    assert network.night()["staff"].quarantined == 1
    network.deliver(
        "_network/clinics_2026-01-02.csv", "clinic_id,name,time_zone\nwest,West,America/Denver\n"
    )
    assert network.night()["staff"].batches == {"accepted": 1}
    assert network.facts("staff", "clinic_id") == [("north",), ("west",)]


def test_a_feed_without_what_a_failed_load_left(
    loaded: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(loaded)
    loaded.deliver(f"{NORTH}/staff_c.csv", HEADER + "eve,nurse,2026-01-03T06:00Z\n")

    def broken(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("flows.load._count", broken)
        with pytest.raises(OSError):
            loaded.night()
    assert state(loaded)[:3] == before[:3]
    assert loaded.night()["staff"].batches == {"accepted": 1}
    assert ("eve",) in loaded.facts("staff", "staff_id")


def test_a_foreign_batch_without_a_column_is_tried_again_when_its_contract_changed(
    tmp_path: Path,
) -> None:
    network = Network(tmp_path)
    (tmp_path / "people.csv").write_text("who\nann\n")
    select = tmp_path / "staff.sql"
    select.write_text("SELECT who AS staff_id, _file, _row FROM people")
    people = SourceSettings(
        system="hr", clinic=NORTH, files={"people": f"{tmp_path}/people.csv"},
        select={"staff": select},
    )  # fmt: skip
    network.settings = network.settings.model_copy(update={"source": (people,)})
    assert network.night()["staff"].batches == {"blocked": 1}
    assert network.night()["staff"].batches == {}
    with network.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.batches SET contract_sha256 = 'older'")
    assert network.night()["staff"].batches == {"blocked": 1}
    with network.opened() as warehouse:
        held = fetched(warehouse, "SELECT path, state FROM ops.batches WHERE feed = 'staff'")
    assert held == [("hr/staff/people.csv", "blocked")]
