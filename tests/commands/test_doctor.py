"""`keel doctor`: each thing that can be wrong is found, told with how to mend it, nothing else."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any

import duckdb
import pytest
from prefect.settings import Settings

from flows import doctor
from flows.doctor import Installation, Told, examine, exit_code, folders, versions
from flows.lock import LOCK
from flows.warehouse import DATABASE, open_warehouse
from tests.commands.cli import keel, snapshot

NOW = datetime(2026, 5, 6, 12, tzinfo=UTC)
HOUSE = """\
protocol: house
version: 1.0.0
title: House
effective: {from: 2025-01-01}
drug: ketamine
programs: [iv_ketamine]
rules:
  - {id: weight, title: Weight, kind: value, severity: minor, tier: T4, expr: weight_kg, max: 200}
examples:
  - title: Weighed
    row: {status: completed, program: iv_ketamine, weight_kg: 80, started_at: 2025-03-03T15:00:00Z}
    expect: {weight: met}
"""


ITS_DEFAULTS = Settings().model_dump_json()


@dataclass
class Place:
    """A working folder with everything in order, and a doctor for it."""

    folder: Path

    def examined(self, now: datetime = NOW, **overrides: Any) -> list[Told]:
        told = examine(Installation(self.folder / "keel.toml", overrides, now))
        assert all(one.mend for one in told if one.level in ("broken", "wrong"))
        return told

    def findings(self, now: datetime = NOW, **overrides: Any) -> list[tuple[str, str, str]]:
        """What is not in order."""
        told = self.examined(now, **overrides)
        return [(one.check, one.level, one.says) for one in told if one.level != "ok"
                and "unconfirmed" not in one.says]  # fmt: skip

    @contextmanager
    def warehouse(self) -> Iterator[Any]:
        """Its database, past the warehouse, which would load facts anew from raw deliveries."""
        with duckdb.connect(str(self.folder / "warehouse" / DATABASE)) as db:
            yield db

    def write(self, text: str) -> None:
        (self.folder / "keel.toml").write_text(text, encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEL_ALERTS_URLS", "json://127.0.0.1/secret")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(folders, "LEAST_FREE_BYTES", 0)
    (tmp_path / "landing").mkdir()
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "house.yaml").write_text(HOUSE)
    made = Place(tmp_path)
    made.write('protocols = ["house"]\nbuiltin_protocols = false\n')
    with open_warehouse(tmp_path / "warehouse"):
        pass
    with made.warehouse() as db:
        db.execute("INSERT INTO facts.clinics (clinic_id, name, time_zone) "
                   "VALUES ('north', 'North', 'America/Chicago')")  # fmt: skip
        db.execute(
            "INSERT INTO facts.sessions (clinic_id, session_id, patient_id, program, status)"
            " VALUES ('north', 's1', 'secret-patient', 'iv_ketamine', 'completed')"
        )
        db.execute("INSERT INTO ops.runs VALUES ('000001-20260506T060000Z', 1, ?, ?, ?, "
                   "'published', '0.1.0')", [NOW - timedelta(hours=6)] * 3)  # fmt: skip
    (tmp_path / "warehouse" / "pseudonym.key").write_bytes(b"k" * 32)
    (tmp_path / "warehouse" / "pseudonym.key").chmod(0o600)
    return made


def test_all_in_order(place: Place) -> None:
    assert place.findings() == []
    assert exit_code(place.examined()) == 0
    assert {one.check for one in place.examined()} == {
        check.__name__.replace("_", " ") for check in doctor.CHECKS
    }


def test_nothing_is_changed_and_no_patient_named(place: Place) -> None:
    before = snapshot(place.folder)
    told = place.examined()
    assert snapshot(place.folder) == before
    assert "secret" not in str(told)


def test_an_empty_folder_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEL_BUILTIN_PROTOCOLS", "false")
    done = keel("doctor", "--json")
    data = json.loads(done.stdout)
    assert done.exit_code == data["exit_code"] == 0
    assert {"check", "level", "says", "mend"} == set(data["findings"][0])
    assert data["counts"]["broken"] == data["counts"]["wrong"] == 0
    assert list(tmp_path.iterdir()) == []


def test_the_text_ends_with_one_line_that_says_it_all(place: Place) -> None:
    done = keel("doctor")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].startswith("nothing is broken, ")
    place.write("quarantine_shar = 0.1\n")
    done = keel("doctor")
    assert done.exit_code == 2
    assert "WRONG  settings: keel.toml: the setting quarantine_shar is unknown" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("something is wrong, ")


def test_a_settings_file_that_is_not_there() -> None:
    done = keel("doctor", "--config", "nowhere.toml", "--json")
    assert done.exit_code == 2
    told = json.loads(done.stdout)["findings"]
    assert [one["check"] for one in told if one["level"] == "wrong"] == ["settings"]


def test_a_protocol_that_cannot_be_read(place: Place) -> None:
    (place.folder / "house" / "house.yaml").write_text(HOUSE.replace("weight_kg,", "wait_kg,"))
    found = place.findings()
    assert [level for _, level, _ in found] == ["wrong"]
    assert "did you mean weight_kg?" in found[0][2]
    assert exit_code(place.examined()) == 2


def test_an_example_that_does_not_hold(place: Place) -> None:
    (place.folder / "house" / "house.yaml").write_text(
        HOUSE.replace("weight: met", "weight: not_met")
    )
    assert place.findings() == [
        ("worked examples", "wrong", "house@1.0.0: the example `Weighed` does not hold")
    ]


def test_a_protocol_whose_last_version_has_ended(place: Place) -> None:
    ended = HOUSE.replace("from: 2025-01-01", "from: 2025-01-01, to: 2026-05-05")
    (place.folder / "house" / "house.yaml").write_text(ended)
    assert place.findings() == [
        ("protocols", "warning",
         "no version of house is in force today (house@1.0.0 is the newest)")
    ]  # fmt: skip
    assert place.findings(NOW - timedelta(days=1))[-1][0] != "protocols"


def test_settings_that_are_odd(place: Place) -> None:
    place.write('protocols = ["house"]\nbuiltin_protocols = false\nas_of = "2026-01-31"\n'
                '[programs]\nIV = "iv_ketamin"\n')  # fmt: skip
    assert [(check, level) for check, level, _ in place.findings()] == [("settings", "warning")] * 2


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("2026-11-30", []), ("2026-12-01", ["telemedicine-2026 ends on 2026-12-31"]),
        ("2026-12-31", ["telemedicine-2026 ends on 2026-12-31",
                        "telemedicine-2027 begins on 2027-01-01"]),
        ("2027-01-02", []),
    ],
)  # fmt: skip
def test_legal_dates_are_told_thirty_days_before(place: Place, day: str, told: list[str]) -> None:
    found = place.examined(datetime.fromisoformat(f"{day}T12:00:00+00:00"))
    legal = [one.says.split(":")[0] for one in found
             if one.check == "legal dates" and one.level == "warning"]  # fmt: skip
    assert legal == ["telemedicine-2027 is unconfirmed", *told]


def test_the_clock_is_behind_the_newest_run(place: Place) -> None:
    found = place.findings(NOW - timedelta(hours=7))
    assert ("newest run", "broken") in [(check, level) for check, level, _ in found]


def test_no_night_for_two_days(place: Place) -> None:
    started = NOW - timedelta(hours=6)
    assert place.findings(started + timedelta(hours=48)) == []
    late = place.findings(started + timedelta(hours=48, seconds=1))
    assert [(check, level) for check, level, _ in late] == [("newest run", "warning")]


def test_a_night_that_failed(place: Place) -> None:
    with place.warehouse() as db:
        db.execute("UPDATE ops.runs SET state = 'failed'")
    found = [("newest run", "warning", "the newest run, 000001-20260506T060000Z, failed")]
    assert place.findings() == found


@pytest.mark.parametrize(
    ("zone", "level"), [("Amerca/Chicago", "broken"), ("EST", "warning"), ("Etc/GMT+5", "warning")]
)
def test_a_time_zone_that_is_none(place: Place, zone: str, level: str) -> None:
    with place.warehouse() as db:
        db.execute("UPDATE facts.clinics SET time_zone = ?", [zone])
    assert [(check, found) for check, found, _ in place.findings()] == [
        ("clinic time zones", level)
    ]


def test_a_programme_that_nothing_governs(place: Place) -> None:
    with place.warehouse() as db:
        db.execute("UPDATE facts.sessions SET program = 'IV Ketamine'")
    assert [check for check, _, _ in place.findings()] == ["programmes"]
    place.write('protocols = ["house"]\nbuiltin_protocols = false\n'
                '[programs]\n"IV Ketamine" = "iv_ketamine"\n')  # fmt: skip
    assert place.findings() == []


def test_blocked_files(place: Place) -> None:
    known = {"clinic_id": "north", "feed": "vitals", "state": "blocked"}
    with place.warehouse() as db:
        columns = db.execute("DESCRIBE ops.batches").fetchall()
        filled = {"TIMESTAMP WITH TIME ZONE": "2026-05-05", "VARCHAR[]": []}
        needed = {name: filled.get(kind, "1") for name, kind, null, *_ in columns if null == "NO"}
        values = needed | known
        db.execute(f"INSERT INTO ops.batches ({', '.join(values)}) VALUES "
                   f"({', '.join('?' * len(values))})", list(values.values()))  # fmt: skip
    assert place.findings() == [("blocked files", "warning", "north: 1 blocked of vitals")]


def test_a_run_that_holds_the_warehouse(place: Place) -> None:
    with (place.folder / "warehouse" / LOCK).open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        ((check, level, says),) = place.findings()
        assert (check, level) == ("lock", "warning") and says.endswith(f"(process {os.getpid()})")
        (run,) = (one for one in place.examined() if one.check == "newest run")
        assert "not looked at" in run.says, "that there is no run is not known"
    assert place.findings() == []


def test_rights(place: Place) -> None:
    (place.folder / "warehouse" / "pseudonym.key").chmod(0o644)
    (place.folder / "warehouse" / DATABASE).chmod(0o640)
    found = place.findings()
    assert [(check, level) for check, level, _ in found] == [("warehouse folder", "broken")] * 2
    assert exit_code(place.examined()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folders_without_rights(place: Place) -> None:
    (place.folder / "published").mkdir(mode=0o500)
    (place.folder / "landing").chmod(0o000)
    found = [(check, level) for check, level, _ in place.findings()]
    (place.folder / "landing").chmod(0o700)
    assert found == [("landing", "broken"), ("publish folder", "broken")]


def test_folders_that_are_none(place: Place) -> None:
    (place.folder / "published").write_text("a file")
    (place.folder / "landing").rmdir()
    assert [(check, level) for check, level, _ in place.findings()] == [
        ("landing", "warning"), ("publish folder", "broken")
    ]  # fmt: skip


def test_a_source_whose_export_is_not_there_or_whose_settings_are_wrong(place: Place) -> None:
    written = 'protocols = ["house"]\nbuiltin_protocols = false\n[[source]]\nsystem = "hr"\n'
    written += (
        'clinic = "north"\nfiles = {people = "people*.csv"}\nselect = {staff = "staff.sql"}\n'
    )
    place.write(written)
    ((check, level, says),) = place.findings()
    assert (check, level) == ("sources", "wrong") and "staff.sql cannot be read" in says
    (place.folder / "staff.sql").write_text("SELECT who AS staff_id, _file, _row FROM people")
    ((check, level, says),) = place.findings()
    assert (check, level) == ("sources", "warning") and "people*.csv finds no file" in says
    (place.folder / "people_1.csv").write_text("who\nann\n")
    assert place.findings() == []


def test_current_leads_nowhere_and_the_key_is_gone(place: Place) -> None:
    (place.folder / "published").mkdir()
    (place.folder / "published" / "current").symlink_to("000001-gone")
    (place.folder / "warehouse" / "pseudonym.key").unlink()
    assert [(check, level) for check, level, _ in place.findings()] == [
        ("warehouse folder", "warning"), ("publish folder", "broken")
    ]  # fmt: skip


def test_a_disk_that_is_nearly_full(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "LEAST_FREE_BYTES", 10**18)
    assert {(check, level) for check, level, _ in place.findings()} == {("disk room", "warning")}


def test_a_damaged_database_is_told_once(place: Place) -> None:
    (place.folder / "warehouse" / DATABASE).write_bytes(b"no database" * 1000)
    (found,) = (one for one in place.examined() if one.level != "ok" and "legal" not in one.check)
    assert found.level == "broken" and found.says.endswith("the database cannot be read")
    assert found.mend == "`keel nightly` mends it or says why not"


def test_packages_that_do_not_fit(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["polars==0.1", "a-package-that-is-not-there", "pytest>=1; extra == 'dev'"]
    monkeypatch.setattr(versions.metadata, "requires", lambda _: wanted)
    found = place.findings()
    assert [(check, level) for check, level, _ in found] == [("packages", "broken")] * 2
    assert "polars" in found[0][2] and "not installed" in found[1][2]


def test_a_python_that_is_too_old(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions.metadata, "metadata", lambda _: {"Requires-Python": ">=99"})
    assert [(check, level) for check, level, _ in place.findings()] == [("python", "broken")]


def test_alerts_that_reach_nobody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEL_ALERTS_URLS", "")
    assert place.findings() == [("alerts", "warning", "nobody is told of a night that fails")]
    monkeypatch.setenv("KEEL_ALERTS_URLS", "nonsense://secret")
    ((check, level, says),) = place.findings()
    assert (check, level) == ("alerts", "wrong")
    assert "number 1 is no address" in says


@contextmanager
def answering(status: int, body: str, date: datetime, settings: str = "") -> Iterator[str]:
    """A server that says what Prefect's says of its version and settings."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told = {"/api/admin/version": body, "/api/admin/settings": settings}.get(self.path, "")
            self.send_response_only(status if told else 404)
            self.send_header("Date", format_datetime(date, usegmt=True))
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "late", "levels"),
    [
        (200, f'"{metadata.version("prefect")}"', 0, []),
        (200, '"2.20.1"', 0, ["warning"]),
        (200, f'"{metadata.version("prefect")}"', 300, ["warning"]),
        (200, "<html>", 0, ["broken"]),
        (401, "", 0, ["broken"]),
    ],
)
def test_the_server_of_prefect(
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: str,
    late: int,
    levels: list[str],
) -> None:
    with answering(status, body, datetime.now(UTC) - timedelta(seconds=late)) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        found = place.findings()
    assert [(check, level) for check, level, _ in found] == [
        ("prefect server", level) for level in levels
    ]


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        (ITS_DEFAULTS, ["warning"]),
        (ITS_DEFAULTS.replace("lease_storage.memory", "lease_storage.filesystem"), []),
        ('"none"', []), ("{}", []), ("<html>", []),
    ],
)  # fmt: skip
def test_a_server_of_prefect_that_forgets_who_holds_a_slot(
    place: Place, monkeypatch: pytest.MonkeyPatch, settings: str, level: list[str]
) -> None:
    version = f'"{metadata.version("prefect")}"'
    with answering(200, version, datetime.now(UTC), settings) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        assert [found for _, found, _ in place.findings()] == level


def test_a_server_of_prefect_that_is_not_there(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("http://127.0.0.1:9/api", "file:///etc/passwd"):
        monkeypatch.setenv("PREFECT_API_URL", url)
        ((check, level, says),) = place.findings()
        assert (check, level) == ("prefect server", "broken")
        assert says == f"{url}: no Prefect server answers there"
