"""`keel batch`: list, show, retry and withdraw, as the person who keeps the nightly meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb
import pytest

from checks import contract as contract_module
from checks.contract import common_text, contract_text, contracts, parse_contract
from flows.judging import judge_network
from flows.runs import start_run
from flows.warehouse import table_definitions
from protocols.load import load_protocols
from tests.commands.cli import keel
from tests.load.network import NORTH, Network, fetched
from tests.publish.nights import Nights

SECRET = "Zacharias-Quill"
VITALS = "vital_id,session_id,measured_at,spo2_pct,extracted_at\n"
GOOD = "".join(f"v{n},s1,2026-03-02T10:00,97,2026-03-03T00:00Z\n" for n in range(4))
BAD = f"v8,s1,2026-03-02T10:00,101,2026-03-03T00:00Z\nv9,{SECRET},soon,97,2026-03-03T00:00Z\n"
LOADED = ["clinics", "vitals"]


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.chdir(tmp_path)
    return Network(tmp_path)


def batch(command: str, *arguments: str | Path, code: int = 0) -> str:
    """What a command said, to whom it did."""
    done = keel("batch", command, *arguments)
    assert done.exit_code == code, done.output
    assert SECRET not in done.output
    return done.stdout if code in (0, 5) else done.stderr


def listed(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(batch("list", "--json", *arguments))
    return found


def id_of(path: str) -> str:
    return latest(path)[0]


def state_of(path: str) -> str:
    return latest(path)[1]


def latest(path: str) -> tuple[str, str]:
    """Batch and state of a path, read without opening the warehouse as a command does."""
    with duckdb.connect("warehouse/keel.duckdb", read_only=True) as db:
        query = "SELECT batch_id, state FROM ops.batches WHERE path = ? ORDER BY batch_no DESC"
        found = db.execute(query, [path]).fetchone()
    assert found is not None
    return str(found[0]), str(found[1])


def settings(network: Network, text: str) -> None:
    (network.folder / "keel.toml").write_text(text)


# List and show


def test_the_list_is_newest_first_and_can_be_narrowed(network: Network) -> None:
    network.deliver(f"{NORTH}/vitals_1.csv", VITALS + GOOD)
    network.night(LOADED)
    network.deliver(f"{NORTH}/vitals_2.csv", VITALS + GOOD + BAD)
    network.deliver("south/vitals_3.csv", "vital_id\n")
    network.night(LOADED)
    one, two, three = (
        (f"{NORTH}/vitals_1.csv", "accepted"),
        (f"{NORTH}/vitals_2.csv", "partial"),
        ("south/vitals_3.csv", "blocked"),
    )
    for arguments, wanted in (
        (["--feed", "vitals"], [three, two, one]),
        (["--clinic", "south"], [three]),
        (["--state", "partial", "--feed", "vitals"], [two]),
        (["--state", "withdrawn"], []),
    ):
        assert [(row["path"], row["state"]) for row in listed(*arguments)] == wanted
    lines = batch("list").splitlines()
    assert len(lines) == 4 and all(line.startswith("b") for line in lines)
    assert (
        "north/vitals_2.csv               6 rows: 0 loaded, 4 unchanged, 2 quarantined" in lines[1]
    )
    assert "its header has no column" in lines[0]
    assert batch("list", "--state", "withdrawn") == "no such delivery\n"
    assert "use one of accepted, partial" in batch("list", "--state", "lost", code=2)
    assert "did you mean vitals?" in batch("list", "--feed", "vital", code=2)


def test_show_names_rows_and_reasons_and_no_value(network: Network) -> None:
    path = f"{NORTH}/vitals_1.csv"
    network.deliver(path, VITALS + GOOD + BAD)
    network.night(LOADED)
    said = batch("show", id_of(path)).splitlines()
    assert said[0].startswith(f"{id_of(path)}: {path} (vitals), first seen ")
    assert "extracted 2026-03-03 00:00 UTC" in said[0]
    assert said[1:] == [
        "  partial: 6 rows: 4 loaded, 2 quarantined",
        "  row 5: spo2_pct is outside what is possible (20 to 100 %)",
        "  row 6: measured_at cannot be read as a time from 1900 to 2199 (YYYY-MM-DDTHH:MM, with "
        "or without offset)",
        "  next: mend the rows and deliver them again: a later file that has them right releases "
        "them",
    ]
    mended = BAD.replace("101", "99").splitlines()[0].replace("03T00", "04T00")
    network.deliver(f"{NORTH}/vitals_2.csv", VITALS + mended + "\n")
    network.night(LOADED)
    after = batch("show", id_of(path)).splitlines()
    assert [line for line in after if "spo2" in line] == []
    assert "  1 row released by a later delivery" in after
    rows = json.loads(batch("show", id_of(path), "--json"))["quarantine"]
    assert [(row["row_number"], row["released_run"] is not None) for row in rows] == [
        (5, True), (6, False),
    ]  # fmt: skip
    assert rows[0]["reasons"] == ["spo2_pct is outside what is possible (20 to 100 %)"]


@pytest.mark.parametrize("command", ["show", "retry", "withdraw"])
def test_an_unknown_batch_and_no_warehouse_name_the_way_out(network: Network, command: str) -> None:
    assert "no warehouse is there" in batch(command, "b0", code=2)
    network.night(["clinics"])
    assert batch(command, "b0", code=2) == (
        "keel: b0: there is no such batch; `keel batch list` shows them.\n"
    )


def test_a_busy_warehouse_is_told(network: Network) -> None:
    network.night(["clinics"])
    with network.opened():
        assert "another run" in batch("list", code=3)
        for command in ("show", "retry", "withdraw"):
            assert "another run" in batch(command, "b0", code=3)


# Retry


def test_a_file_blocked_for_its_share_is_loaded_once_the_settings_allow_it(
    network: Network,
) -> None:
    path = f"{NORTH}/vitals_1.csv"
    network.settings = network.settings.model_copy(update={"quarantine_share": 0.05})
    network.deliver(path, VITALS + GOOD + BAD)
    network.night(LOADED)
    assert "blocked: 2 of its 6 rows" in batch("retry", id_of(path), code=5)
    settings(network, "quarantine_share = 0.5\n")
    said = batch("retry", id_of(path))
    assert "partial: 6 rows: 4 loaded, 2 quarantined" in said and "next nightly" in said
    assert len(network.facts("vitals", "vital_id")) == 4


def test_quarantined_rows_are_loaded_once_the_contract_allows_them(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{NORTH}/vitals_1.csv"
    network.deliver(path, VITALS + GOOD + BAD)
    network.night(LOADED)
    text = contract_text("vitals")
    at = text.index("max_value: 100", text.index("spo2_pct_possible"))
    wider = text[:at] + text[at:].replace("max_value: 100", "max_value: 102", 1)
    changed = {**contracts(), "vitals": parse_contract(wider, common_text(), "vitals")}
    settings(network, "quarantine_share = 1.0\n")
    monkeypatch.setattr(contract_module, "contracts", lambda: MappingProxyType(changed))
    assert "5 loaded, 1 quarantined" in batch("retry", id_of(path))
    assert ("v8",) in network.facts("vitals", "vital_id")


def test_a_file_that_could_not_be_read_is_read_again_where_it_lies(network: Network) -> None:
    path = f"{NORTH}/vitals_1.csv"
    file = network.deliver(path, "vital_id\n")
    network.night(LOADED)
    first = id_of(path)
    assert "no column session_id" in batch("retry", first, code=5)
    network.deliver(path, VITALS + GOOD)
    assert "accepted: 4 rows: 4 loaded" in batch("retry", first)
    assert [row["path"] for row in listed("--feed", "vitals")] == [path]
    other = network.deliver(f"{NORTH}/vitals_2.csv", "vital_id\n")
    network.night(LOADED)
    other.unlink()
    assert "lies there no more" in batch("retry", id_of(f"{NORTH}/vitals_2.csv"), code=2)
    assert file.exists()


def test_what_is_loaded_in_full_has_nothing_to_retry(network: Network) -> None:
    network.night(["clinics"])
    path = "_network/clinics_2026-01-01.csv"
    assert "is accepted, so there is nothing to retry" in batch("retry", id_of(path), code=2)


# Withdraw


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """Two deliveries: the second corrects a session of the first and adds one."""
    (tmp_path / "it").mkdir()
    monkeypatch.chdir(tmp_path / "it")
    found = Nights(tmp_path / "it")
    first(found)
    second(found)
    return found


def first(nights: Nights) -> None:
    nights.sessions(f"{NORTH}/2026-05-05", nights.session("s1"), nights.session("s2", minutes=12))


def second(nights: Nights) -> None:
    nights.sessions(f"{NORTH}/2026-05-06", nights.session("s2", dose=90), nights.session("s3"))


@pytest.mark.parametrize(
    ("day", "rest"),
    [("2026-05-06", first), pytest.param("2026-05-05", second, marks=pytest.mark.long)],
    ids=["later", "earlier"],
)
def test_after_a_withdrawal_the_marts_are_as_if_it_had_never_come(
    nights: Nights, tmp_path: Path, day: str, rest: Callable[[Nights], None]
) -> None:
    before = judged(nights)
    (tmp_path / "fresh").mkdir()
    fresh = Nights(tmp_path / "fresh")
    rest(fresh)
    without = judged(fresh)
    paths = [f"{NORTH}/{feed}_{day}.csv" for feed in ("sessions", "doses")]
    ids = [id_of(path) for path in paths]
    for id_ in ids:
        said = batch("withdraw", id_)
        assert "withdrawn" in said and "next nightly" in said
        assert f"`keel batch retry {id_}` brings it back" in said
    for path in paths:
        (nights.landing / path).touch()
    assert judged(nights) == without != before
    assert [state_of(path) for path in paths] == ["withdrawn", "withdrawn"]
    assert "withdrawn before" in batch("withdraw", ids[0], code=2)
    for id_ in ids:
        assert "accepted" in batch("retry", id_)
    assert judged(nights) == before


def judged(nights: Nights) -> dict[str, list[tuple[Any, ...]]]:
    """The marts after a night, without run ids; subjects by name, as their numbers differ."""
    protocols = load_protocols(nights.settings.protocols, nights.settings.builtin_protocols)
    nights.night()
    with nights.opened() as warehouse:
        run = start_run(warehouse, nights.settings.now())
        judge_network(warehouse, protocols, run, nights.settings, lambda *_: None)
        named = (
            "(SELECT subject_no, clinic_id, subject_kind, subject_id, protocol FROM marts.subjects)"
        )
        return {
            table: fetched(
                warehouse,
                "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'first_found_run', 'subject_no')) "
                f"FROM marts.{table} "
                + (f"JOIN {named} USING (subject_no) " if "subject_no" in columns else "")
                + "ORDER BY ALL",
            )
            for table, columns in table_definitions("marts").items()
        }


def test_a_withdrawal_outlives_the_database(network: Network) -> None:
    for n in (1, 2):
        network.deliver(f"{NORTH}/vitals_{n}.csv", VITALS + GOOD.replace("v", f"w{n}"))
    network.night(LOADED)
    gone = id_of(f"{NORTH}/vitals_1.csv")
    batch("withdraw", gone)
    for file in network.settings.warehouse.glob("keel.duckdb*"):
        file.unlink()
    network.night(LOADED)
    assert state_of(f"{NORTH}/vitals_1.csv") == "withdrawn"
    assert {id_[:2] for (id_,) in network.facts("vitals", "vital_id")} == {"w2"}
    batch("retry", gone)
    for file in network.settings.warehouse.glob("keel.duckdb*"):
        file.unlink()
    network.night(LOADED)
    assert state_of(f"{NORTH}/vitals_1.csv") == "accepted"


def test_a_copy_takes_the_place_of_what_is_withdrawn_and_is_told(network: Network) -> None:
    for n in (1, 2):
        network.deliver(f"{NORTH}/vitals_{n}.csv", VITALS + GOOD)
    network.night(LOADED)
    assert state_of(f"{NORTH}/vitals_2.csv") == "duplicate"
    said = batch("withdraw", id_of(f"{NORTH}/vitals_1.csv"))
    assert f"{NORTH}/vitals_2.csv has the same bytes: the next nightly loads it" in said
    assert network.facts("vitals", "vital_id") == []
    network.night(LOADED)
    assert state_of(f"{NORTH}/vitals_2.csv") == "accepted"
    assert len(network.facts("vitals", "vital_id")) == 4


def test_others_of_the_feed_that_change_with_it_are_told(network: Network) -> None:
    network.deliver(f"{NORTH}/vitals_1.csv", VITALS + GOOD)
    network.deliver(f"{NORTH}/vitals_2.csv", VITALS + BAD)
    network.night(LOADED)
    settings(network, "quarantine_share = 0.1\n")
    said = batch("withdraw", id_of(f"{NORTH}/vitals_1.csv"), code=5)
    assert f"{NORTH}/vitals_2.csv\n  blocked: 2 of its 2 rows" in said


@pytest.mark.parametrize("command", [pytest.param("retry", marks=pytest.mark.long), "withdraw"])
def test_it_is_done_whole_or_not_at_all(
    network: Network, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    path = f"{NORTH}/vitals_1.csv"
    network.deliver(path, VITALS + GOOD + BAD)
    network.deliver(f"{NORTH}/vitals_2.csv", VITALS + GOOD.replace("v", "w"))
    network.night(LOADED)
    settings(network, "quarantine_share = 1.0\n")
    before = inside(network)
    which = id_of(path)

    def fail(*_: object) -> None:
        raise RuntimeError(SECRET)

    for part in ("flows.load.stage", "flows.load._count"):
        with monkeypatch.context() as broken:
            broken.setattr(part, fail)
            assert "nothing is half-done" in batch(command, which, code=1)
        assert inside(network) == before
    assert network.ask("SELECT state FROM ops.runs ORDER BY seq DESC LIMIT 1") == [("failed",)]
    assert list(network.settings.warehouse.rglob("*.withdrawn")) == []
    batch(command, which)
    assert (inside(network) == before) == (command == "retry")


def inside(network: Network) -> list[list[tuple[Any, ...]]]:
    """What a feed's batches are, and all that was loaded of them."""
    return [
        network.ask(query)
        for query in (
            "SELECT batch_id, state, reason, loaded, quarantined FROM ops.batches ORDER BY ALL",
            "SELECT * FROM facts.vitals ORDER BY ALL",
            "SELECT * FROM facts.vitals_history ORDER BY ALL",
            "SELECT batch_no, row_number, reasons, released_run FROM ops.quarantine ORDER BY ALL",
            "SELECT * FROM ops.files ORDER BY ALL",
            "SELECT * FROM ops.column_counts ORDER BY ALL",
        )
    ]
