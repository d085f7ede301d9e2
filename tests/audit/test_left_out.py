"""What must not be in a pack: other clinics, other times, rows that were mended since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows.audit_packs.bundle import Bundle
from flows.audit_packs.page import index_page
from flows.audit_packs.sample import _UNJUDGED
from flows.audit_packs.scope import Scope, Table, read
from flows.audit_packs.survey import _QUARANTINE
from flows.warehouse import Warehouse, no_warehouse
from tests.audit.network import MAY, audit, pack, tables, words
from tests.publish.nights import Nights

SCOPE = Scope("north", "North", "America/Chicago", date(2026, 5, 1), date(2026, 5, 31), "run",
              datetime(2026, 12, 31, tzinfo=UTC))  # fmt: skip


@pytest.fixture(scope="module")
def empty() -> Iterator[Warehouse]:
    with no_warehouse() as warehouse:
        yield warehouse


def test_another_clinic_is_in_no_pack(month: Nights, tmp_path: Path) -> None:
    for kind in ("rems", "dea", "survey"):
        pack(month, kind, tmp_path / kind)
        assert "zebra" not in words(tmp_path / kind)
    assert audit(month, "sample", *MAY, "--seed", "1", "--out", tmp_path / "s").exit_code == 0
    assert "zebra" not in words(tmp_path / "s")


def test_a_lot_that_did_not_move_in_the_period_has_no_variance(
    month: Nights, tmp_path: Path
) -> None:
    found = pack(month, "dea", tmp_path / "dea")
    assert [row["lot"] for row in found["variances"]] == ["K1"]


def test_what_has_not_happened_yet_is_in_no_pack(month: Nights, tmp_path: Path) -> None:
    done = audit(month, "pack", "--kind", "dea", "--clinic", "north", "--from", "2026-01-01",
                 "--to", "2026-12-31", "--out", tmp_path / "dea")  # fmt: skip
    assert done.exit_code == 0
    found = tables(tmp_path / "dea")
    assert [row["entry_id"] for row in found["receipts"]] == ["i7", "i1", "i6"]


def test_the_survey_says_when_the_log_is_broken(
    month: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.audit_packs.survey.first_broken", lambda _: 3)
    pack(month, "survey", tmp_path / "survey")
    assert "The audit log is broken: entry 3" in words(tmp_path / "survey")
    assert "unbroken" not in words(tmp_path / "survey")


def test_rows_that_were_released_are_told_apart(empty: Warehouse) -> None:
    for at, (clinic, released) in enumerate(
        [("north", None), ("north", "run2"), ("north", "run2"), ("south", None)]
    ):
        empty.db.execute(
            "INSERT INTO ops.quarantine BY NAME SELECT 1 AS batch_no, 'b' AS batch_id, "
            "$clinic AS clinic_id, 'vitals' AS feed, $at AS row_number, "
            "['spo2_pct: out of bounds'] AS reasons, 'run1' AS quarantined_run, "
            "$released AS released_run",
            {"clinic": clinic, "at": at, "released": released},
        )
    found = read(empty, SCOPE, "", "", "", _QUARANTINE)
    assert found.rows == [("vitals", "spo2_pct: out of bounds", 3, 1)]


def test_unjudged_sessions_are_those_of_the_periods_months(empty: Warehouse) -> None:
    for name, clinic, month, judged in (
        ("s1", "north", "2026-05-01", False), ("s2", "north", "2026-05-01", True),
        ("s3", "north", "2026-04-01", False), ("s4", "south", "2026-05-01", False),
    ):  # fmt: skip
        empty.db.execute(
            "INSERT INTO marts.governance BY NAME SELECT $clinic AS clinic_id, "
            "$name AS session_id, 'p' AS patient_id, $month::DATE AS month, $judged AS judged, "
            "false AS not_dosed, true AS uncovered",
            {"clinic": clinic, "name": name, "month": month, "judged": judged},
        )
    assert read(empty, SCOPE, "", "", "", _UNJUDGED).rows == [(1,)]


def test_a_page_shows_the_first_rows_and_says_so() -> None:
    table = Table("t", "T", "One row.", ("n", "fit"), [(at, at == 0) for at in range(201)])
    bundle = Bundle(kind="pack x", title="X", scope=SCOPE, notes=[], tables=[table])
    page = index_page(bundle, datetime(2026, 6, 1, tzinfo=UTC))
    assert "The first 200 of 201" in page
    assert page.count(">no</td>") == 199
    assert page.count(">yes</td>") == 1
