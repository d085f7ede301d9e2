"""A range of days judged anew: those rows and no others, with what changed and why."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commands.cli import keel, snapshot
from tests.publish.nights import Nights, plain_nights

NIGHT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sessions a clinic, on 10 to 14 May, the third of which ends on the 13th in London; their
    weights are halved in the database by a hand that no night sees."""
    folder = tmp_path_factory.mktemp("judged")
    nights = Nights(folder)
    for clinic in ("north", "south"):
        days = {at: nights.session(f"s{at}", clinic=clinic, patient=f"p{at}", day=f"2026-05-{at}")
                for at in range(10, 15)}  # fmt: skip
        days[12][0].update(started_at="2026-05-12T23:30", ended_at="2026-05-13T00:10")
        nights.sessions(f"{clinic}/2026-05-30", *days.values())
    with plain_nights():
        nights.publish(as_of=NIGHT)
    assert nights.read("SELECT count(*) FROM marts.findings WHERE rule_id = 'dose'") == [(0,)]
    with nights.opened() as warehouse:
        warehouse.db.execute("UPDATE facts.sessions SET weight_kg = weight_kg / 4")
    (folder / "keel.toml").write_text(
        f'protocols = ["protocols"]\nbuiltin_protocols = false\nas_of = {NIGHT.isoformat()}\n'
    )
    return folder


@pytest.fixture
def spoilt(judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A copy of that for a test of its own."""
    shutil.copytree(judged, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return Nights(tmp_path / "copy")


def overdosed(nights: Nights) -> list[tuple[str, str]]:
    return nights.read(
        "SELECT clinic_id, subject_id FROM marts.findings WHERE rule_id = 'dose' ORDER BY ALL"
    )


def test_a_night_does_not_see_it_and_a_backfill_does(spoilt: Nights) -> None:
    assert spoilt.publish(as_of=NIGHT)[1].judged == 0
    done = keel("backfill", "--from", "2026-05-11", "--to", "2026-05-12", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["judged"], told["skipped"]) == (4, 6)
    expected = [(clinic, day) for clinic in ("north", "south") for day in ("s11", "s12")]
    assert overdosed(spoilt) == expected
    with spoilt.opened() as warehouse:
        changes = warehouse.db.execute(
            "SELECT clinic_id, subject_id, rule_id, status_before, status_after, cause "
            "FROM ops.verdict_changes WHERE run_id = ? ORDER BY ALL",
            [told["run_id"]],
        ).fetchall()
    assert changes == [(*one, "dose", "met", "not_met", "time_passed") for one in expected]
    assert told["changes"] == {"time_passed": 4}


def test_one_clinics_days(spoilt: Nights) -> None:
    done = keel("backfill", "--from", "2026-05-01", "--to", "2026-05-31", "--clinic", "south")
    assert done.exit_code == 0, done.output
    assert {clinic for clinic, _ in overdosed(spoilt)} == {"south"}
    assert len(overdosed(spoilt)) == 5


def test_a_dry_run_says_it_and_writes_nothing(spoilt: Nights) -> None:
    before = snapshot(spoilt.folder)
    done = keel("backfill", "--from", "2026-05-11", "--to", "2026-05-12", "--dry-run", "--json")
    assert json.loads(done.stdout) == {
        "first": "2026-05-11", "last": "2026-05-12", "everything": False,
        "judged_again": {"session": 4}, "subjects": 10,
    }  # fmt: skip
    words = keel("backfill", "--from", "2026-05-11", "--to", "2026-05-12", "--dry-run").stdout
    assert "would judge 4 of 10 subjects anew (4 sessions)" in words
    assert snapshot(spoilt.folder) == before


def test_a_range_without_rows_changes_nothing(spoilt: Nights) -> None:
    done = keel("backfill", "--from", "2025-01-01", "--to", "2025-12-31", "--json")
    assert json.loads(done.stdout)["judged"] == 0
    assert overdosed(spoilt) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from", "2026-05-12", "--to", "2026-05-11"], "is before"),
        (["--from", "May", "--to", "2026-05-11"], "--from: not a date"),
        (["--from", "2026-05-01", "--to", "2026-05-11", "--clinic", "nort"], "did you mean north?"),
    ],
)
def test_what_is_asked_wrongly(spoilt: Nights, options: list[str], words: str) -> None:
    runs = len(list(spoilt.settings.publish.iterdir()))
    done = keel("backfill", *options)
    assert (done.exit_code, words in done.stderr) == (2, True), done.stderr
    assert len(list(spoilt.settings.publish.iterdir())) == runs


def test_without_a_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = keel("backfill", "--from", "2026-05-01", "--to", "2026-05-02")
    assert done.exit_code == 2
    assert "no warehouse is there" in done.stderr
    assert list(tmp_path.iterdir()) == []
