"""`keel purge`: who must go is nowhere any more; the others are as if those had never been."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows import purge as purging
from flows.audit import verify
from flows.commands.purge import run_purge
from flows.errors import KeelError, UsageError
from flows.manifest import head_kept, published_runs
from flows.pseudonyms import KEY_FILE
from flows.settings import Settings
from tests.publish.nights import Nights, plain_nights

AS_OF = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD = "2019-02-03"
GONE = ("old-1", "old-s1", "old-s2", "Ada", "Lovelace", "old-o1", "old-v1", "unread-1")


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_nights():
        yield


def network(folder: Path, *, with_old: bool, later: bool = True) -> Nights:
    """A clinic whose patient old-1 was last seen in 2019, and some who still come."""
    nights = Nights(folder, as_of=AS_OF, retention_days=2_000)
    old: list[dict[str, str]] = [
        {"patient_id": "old-1", "given_name": "Ada", "family_name": "Lovelace",
         "enrolled_on": OLD, "birth_date": "1950-01-01"},
    ]  # fmt: skip
    kept = [
        {"patient_id": "p1", "given_name": "Grace", "enrolled_on": "2026-01-02"},
        {"patient_id": "p2", "given_name": "Mary", "enrolled_on": OLD, "failed_trials": "x"},
    ]
    nights.rows("north/patients_2026-05-01.csv", [*(old if with_old else []), *kept])
    sessions = [
        nights.session("s1", patient="p1"),
        nights.session("s2", patient="p2", day="2019-03-01", weight_kg=""),
        nights.session("s3", patient="p2", day="2026-05-05", dose=130),
    ]
    if with_old:
        sessions[1:1] = [
            nights.session("old-s1", patient="old-1", day=OLD, dose=300),
            nights.session("old-s2", patient="old-1", day="2019-02-10", minutes=90),
        ]
    nights.sessions("north/2026-05-01", *sessions)
    nights.rows(
        "north/vitals_2026-05-01.csv",
        [{"vital_id": f"{of}-v", "session_id": of, "measured_at": f"{day}T10:05", "spo2_pct": "97"}
         for of, day in [("s1", "2026-05-04"), *([("old-s1", OLD)] if with_old else [])]],
    )  # fmt: skip
    scores = [{"outcome_id": "o1", "patient_id": "p1", "instrument": "PHQ-9",
               "administered_at": "2026-05-05T09:00", "total": "12"}]  # fmt: skip
    if with_old:
        scores = [{"outcome_id": "old-o1", "patient_id": "old-1", "instrument": "PHQ-9",
                   "administered_at": f"{OLD}T09:00", "total": "30"},
                  {"outcome_id": "unread-1", "patient_id": "old-1", "instrument": "PHQ-9",
                   "administered_at": "one day", "total": "30"}, *scores]  # fmt: skip
    nights.rows("north/outcomes_2026-05-01.csv", scores)
    nights.rows("_network/waivers_2026-05-01.csv", [
        {"clinic_id": "north", "waiver_id": f"w-{of}", "subject_id": of, "rule_id": "dose",
         "reason": "r", "approved_by": "x", "approved_on": "2019-01-01"}
        for of in ("s3", *(["old-s1"] if with_old else []))])  # fmt: skip
    return nights


def everywhere(nights: Nights) -> str:
    """All text in the warehouse and in what is published: tables, raw files, bytes."""
    parts: list[str] = []
    databases = [nights.settings.warehouse / "keel.duckdb",
                 *nights.settings.publish.glob("*/results.duckdb")]  # fmt: skip
    for path in databases:
        with duckdb.connect(str(path), read_only=True) as db:
            for schema, table in db.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
            ).fetchall():
                parts.append(str(db.execute(f'FROM {schema}."{table}"').fetchall()))
    for root in (nights.settings.warehouse, nights.settings.publish):
        for path in root.rglob("*"):
            if path.suffix == ".parquet":
                parts.append(str(duckdb.execute("FROM read_parquet(?)", [str(path)]).fetchall()))
            if path.is_file():
                parts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(parts)


def left(nights: Nights) -> list[str]:
    text = everywhere(nights)
    return [word for word in GONE if word in text]


def apply(nights: Nights) -> str:
    return told(nights, apply=True)


def told(nights: Nights, *, apply: bool) -> str:
    found, applied = run_purge(nights.settings, apply=apply)
    words = found.words()
    return f"took out {words}" if applied else f"would take out {words}; nothing was changed"


@pytest.fixture(scope="module")
def never(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    """The marts of a network in which nobody had to go, and the key of its pseudonyms."""
    with plain_nights():
        nights = network(tmp_path_factory.mktemp("never"), with_old=False)
        nights.publish()
    return nights.marts(), (nights.settings.warehouse / KEY_FILE).read_bytes()


@pytest.fixture(scope="module")
def published(
    tmp_path_factory: pytest.TempPathFactory, never: tuple[dict[str, Any], bytes]
) -> Nights:
    """The network with the old patient, published, under the same key."""
    nights = network(tmp_path_factory.mktemp("old"), with_old=True)
    nights.settings.warehouse.mkdir(mode=0o700)
    (nights.settings.warehouse / KEY_FILE).write_bytes(never[1])
    with plain_nights():
        nights.publish()
    return nights


@pytest.fixture
def old(published: Nights, tmp_path: Path) -> Nights:
    """A copy of it for one test."""
    shutil.copytree(published.folder, tmp_path / "copy", symlinks=True)
    return network(tmp_path / "copy", with_old=True)


def test_without_apply_it_only_counts(old: Nights) -> None:
    before = everywhere(old)
    assert told(old, apply=False) == (
        "would take out patients last active before 2020-12-09: 1; rows: 1 patients, 2 sessions, "
        "2 doses, 1 outcomes, 1 vitals, 1 waivers; earlier published runs: 1; nothing was changed"
    )
    assert everywhere(old) == before


def test_they_are_nowhere_and_the_others_as_if_they_had_never_been(
    old: Nights, never: tuple[dict[str, Any], bytes]
) -> None:
    assert left(old) == ["old-1", "old-s1", "old-s2", "Ada", "Lovelace", "old-o1", "unread-1"]
    assert apply(old).startswith("took out patients last active before 2020-12-09: 1;")
    assert left(old) == []
    assert old.marts() == never[0]
    assert len(list(old.settings.publish.glob("0*"))) == 1
    with old.opened() as warehouse:
        assert warehouse.notes == []
        kept = {run.name: head_kept(run) for run in published_runs(old.settings.publish)}
        assert verify(warehouse.db, kept) is None
        ((act, subject),) = warehouse.db.execute(
            "SELECT act, subject FROM ops.audit_log"
        ).fetchall()
    assert act == "purge"
    assert "1; rows: 1 patients, 2 sessions" in subject
    assert apply(old).endswith("nothing was changed")


def test_rows_that_stay_keep_their_numbers_and_add_up(old: Nights) -> None:
    apply(old)
    assert old.ask(
        "SELECT row_number FROM ops.quarantine WHERE feed = 'patients'"
    ) == [(3,)]  # fmt: skip
    assert old.ask(
        "SELECT feed, rows, loaded, unchanged, quarantined, purged FROM ops.batches "
        "JOIN ops.purged_rows USING (batch_no) ORDER BY feed"
    ) == [
        ("doses", 3, 3, 0, 0, 2), ("outcomes", 1, 1, 0, 0, 2), ("patients", 2, 1, 0, 1, 1),
        ("sessions", 3, 3, 0, 0, 2), ("vitals", 1, 1, 0, 0, 1), ("waivers", 1, 1, 0, 0, 1),
    ]  # fmt: skip


def test_neither_a_lost_database_nor_a_new_delivery_brings_them_back(
    old: Nights, never: tuple[dict[str, Any], bytes]
) -> None:
    apply(old)
    (old.settings.warehouse / "keel.duckdb").unlink()
    old.publish()
    assert old.marts() == never[0]
    for path in sorted(old.landing.rglob("*_2026-05-01.csv")):
        shutil.copy(path, path.with_name(path.name.replace("05-01", "05-20")))
    old.publish()
    assert left(old) == []
    assert old.facts("sessions", "session_id") == [("s1",), ("s2",), ("s3",)]
    notes = [note for (note,) in old.ask("SELECT note FROM ops.notes ORDER BY ALL")]
    assert len(notes) == 6
    assert notes[1].startswith("north/doses_2026-05-20.csv: 2 rows of patients who were purged")


def test_who_comes_back_is_let_in_again(old: Nights) -> None:
    apply(old)
    with old.opened() as warehouse:
        with pytest.raises(UsageError, match="no such patient was purged"):
            purging.readmit(warehouse, "north/p1")
        purging.readmit(warehouse, "north/old-1")
    old.sessions("north/2026-05-31", old.session("new-s", patient="old-1", day="2026-05-30"))
    old.publish()
    assert old.facts("sessions", "session_id") == [("new-s",), ("s1",), ("s2",), ("s3",)]
    assert old.ask("SELECT act, outcome FROM ops.audit_log ORDER BY entry_no") == [
        ("purge", "done"), ("readmit", "refused"), ("readmit", "done"),
    ]  # fmt: skip


def hold_file(nights: Nights, text: str) -> dict[str, Path]:
    path = nights.folder / "hold.csv"
    path.write_text(text)
    return {"legal_hold_file": path}


HOLDS: list[Callable[[Nights], dict[str, Any]]] = [
    lambda nights: {"legal_hold": ("north",)},
    lambda nights: hold_file(nights, "clinic_id,patient_id\nnorth,old-1\n"),
]
SLIPS: list[Callable[[Nights], dict[str, Any]]] = [
    lambda nights: {"legal_hold": ("nroth",)},
    lambda nights: hold_file(nights, "clinic_id,patient_id\nnorth,old-2\n"),
    lambda nights: hold_file(nights, "clinic,patient\nnorth,old-1\n"),
    lambda nights: {"legal_hold_file": nights.folder / "none.csv"},
    lambda nights: {"retention_days": None},
]


@pytest.mark.parametrize("hold", range(len(HOLDS)))
def test_a_legal_hold_keeps_them(old: Nights, hold: int) -> None:
    old.set(**HOLDS[hold](old))
    assert ": 0; rows: none" in apply(old)
    assert "Lovelace" in left(old)


@pytest.mark.parametrize("slip", range(len(SLIPS)))
def test_a_slip_in_a_hold_stops_everything(old: Nights, slip: int) -> None:
    old.set(**SLIPS[slip](old))
    with pytest.raises(UsageError) as problem:
        apply(old)
    assert "old-2" not in str(problem.value)
    assert "Lovelace" in left(old)


def test_a_raw_file_that_is_damaged_stops_everything(old: Nights) -> None:
    damaged = next((old.settings.warehouse / "raw" / "north" / "patients").glob("*.parquet"))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole.replace(b"Lovelace", b"Loveless"))
    with pytest.raises(KeelError, match=f"{damaged}: is damaged"):
        apply(old)
    damaged.write_bytes(whole)
    assert "Lovelace" in left(old)
    assert not (old.settings.warehouse / "purge.pending").exists()


class Killed(BaseException):
    """As if by a signal; `test_purge_killed.py` has the real ones."""


@pytest.mark.parametrize(("step", "after"), [("_rewrite", True), ("_erase", True)])
def test_one_that_was_cut_short_is_finished_by_the_next(
    old: Nights,
    never: tuple[dict[str, Any], bytes],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: bool,
) -> None:
    real = getattr(purging, step)

    def cut_short(*given: Any) -> None:
        if after:
            real(*given)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(purging, step, cut_short)
        apply(old)
    if step == "_erase":
        old.publish()  # a night between
    apply(old)
    assert left(old) == []
    assert old.marts() == never[0]
    assert not (old.settings.warehouse / "purge.pending").exists()


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.settings import load_settings

    monkeypatch.setenv("KEEL_RETENTION_DAYS", "3650")
    monkeypatch.setenv("KEEL_LEGAL_HOLD", "north:south")
    found: Settings = load_settings(None, {})
    assert (found.retention_days, found.legal_hold) == (3650, ("north", "south"))
