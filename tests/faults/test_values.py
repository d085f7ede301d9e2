"""Odd values: each is loaded exactly as it stands, or its row is in quarantine with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.network import NORTH, Network
from tests.publish.nights import Nights, plain_nights

SESSION = {"patient_id": "p1", "program": "iv_ketamine", "status": "completed"}
UNREADABLE = {
    "started_at": [
        "2026-02-30T10:00", "2026-13-01T10:00", "2026-01-01", "2026-01-01T25:00",
        "01/02/2026 10:00", "2026-03-08T02:30", "2026-11-01T01:30", "2026-01-01T10:00+25:00",
        "0000-00-00T00:00", "now", "2026-01-01T10:00 PM",
    ],
    "weight_kg": ["1,200.5", "80,5", "eighty", "80 kg", "0x50", "1_000", "--80", "inf", "nan",
                  "1e999", "٨٠", "900", "80000", "-70", "0"],
    "status": ["done", "Completed ", "=completed"],
    "escort_confirmed": ["yes", "1", "t"],
}  # fmt: skip
READABLE = {
    "started_at": ["2026-03-08T03:30", "2026-11-01T02:30", "2026-01-01 10:00:00.123456Z"],
    "weight_kg": ["80", "80.5", "176"],  # 80 kg in pounds: a person may weigh as much
    "escort_confirmed": ["TRUE", "false"],
}
IDS = [
    "o'brien", 'say "x"', "two\nlines", "tab\there", "😀", "'; DROP TABLE facts.sessions; --",
    "=1+1", "@SUM(A1)", "+1", "-1", "../../etc/passwd", "%s%n", "{{7*7}}",
    "<script>alert(1)</script>", "a\u202eb", "NULL", "null", " ", "x" * 3_000,
    "e\u0301", "é", "a,b", "C:\\x", "$(id)",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])


def cases(values: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(column, value) for column, listed in values.items() for value in listed]


def test_a_value_is_read_or_its_row_is_in_quarantine_for_it(tmp_path: Path) -> None:
    network = Network(tmp_path)
    bad, good = cases(UNREADABLE), cases(READABLE)
    rows = [
        SESSION | {"session_id": f"s{number}", column: value}
        for number, (column, value) in enumerate([*bad, *good])
    ]
    columns = ["session_id", *SESSION, *(name for name in UNREADABLE if name not in SESSION)]
    network.rows(f"{NORTH}/sessions.csv", rows, columns)
    network.night(["clinics", "sessions"])
    reasons = dict(
        network.ask("SELECT key_id, list_transform(reasons, lambda r: split_part(r, ':', 1)) "
                    "FROM ops.quarantine")
    )  # fmt: skip
    for number, (column, value) in enumerate(bad):
        assert reasons.get(f"s{number}") == [column], value
    loaded = {name for (name,) in network.facts("sessions", "session_id")}
    assert loaded == {f"s{len(bad) + number}" for number in range(len(good))}


def test_ids_go_through_a_night_as_they_are(tmp_path: Path) -> None:
    nights = Nights(tmp_path)
    with plain_nights():
        nights.sessions("north/1", *(nights.session(name, patient=name, dose=400) for name in IDS))
        nights.publish()
    found = nights.read(
        "SELECT DISTINCT session_id FROM marts.findings WHERE rule_id = 'dose' "
        "AND status = 'not_met' ORDER BY ALL"
    )
    assert [name for (name,) in found] == sorted(IDS)
    patients = nights.read("SELECT count(DISTINCT patient_id) FROM marts.findings")
    assert patients == [(len(IDS),)]
