"""The bench's split of a landing folder: every row once, as it was but for its extract time."""

from __future__ import annotations

from collections import Counter
from csv import DictReader
from datetime import datetime
from pathlib import Path

import pytest

from checks.contract import contracts
from flows.demo import write_network
from tests.bench.splitting import Split, split

Row = tuple[tuple[str, str], ...]


@pytest.fixture(scope="module", params=[0.02, 0.0005], ids=["days", "one clinic of a day"])
def splitted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Counter[Row], Path, Path, Split, datetime]:
    """Rows before, the two folders after, what was found, the network's instant."""
    folder = tmp_path_factory.mktemp("split")
    written = write_network(folder, clinics=3, patients=60, days=60)
    landing, late = folder / "landing", folder / "late"
    before = rows(landing)
    found = split(landing, late, written.as_of, request.param)
    return before, landing, late, found, written.as_of


def test_every_row_is_kept_once(
    splitted: tuple[Counter[Row], Path, Path, Split, datetime],
) -> None:
    before, landing, late, found, _ = splitted
    kept, held_back = rows(landing), rows(late)
    assert kept + held_back == before
    assert held_back.total() == found.late_rows
    assert 0 < found.late_rows < before.total() / 4


def test_late_are_the_last_days_sessions_and_what_belongs_to_them(
    splitted: tuple[Counter[Row], Path, Path, Split, datetime],
) -> None:
    _, landing, late, found, as_of = splitted
    sessions = {row["session_id"] for row in read(late, "sessions")}
    assert len(sessions) == found.sessions
    assert not sessions & {row["session_id"] for row in read(landing, "sessions")}
    for feed in ("vitals", "doses", "events", "charges"):
        assert not sessions & {row["session_id"] for row in read(landing, feed)}
    days = {(row["started_at"] or row["scheduled_at"])[:10] for row in read(late, "sessions")}
    assert found.day.isoformat() == min(days)
    assert max(days) <= as_of.date().isoformat()
    assert {row["patient_id"] for row in read(late, "sessions")} <= {
        row["patient_id"] for row in read(landing, "patients")
    }


def test_the_history_knows_nothing_of_the_late_nights_extracts(
    splitted: tuple[Counter[Row], Path, Path, Split, datetime],
) -> None:
    _, landing, late, found, as_of = splitted
    assert found.as_of < as_of
    for folder in late.iterdir():
        own = list((landing / folder.name).glob("*.csv"))
        latest = max(row["extracted_at"] for path in own for row in rows_of(path))
        assert datetime.fromisoformat(latest) <= found.as_of


def test_what_was_held_back_is_delivered_in_files_of_its_own(
    splitted: tuple[Counter[Row], Path, Path, Split, datetime],
) -> None:
    _, landing, late, _, _ = splitted
    files = {path.relative_to(late) for path in late.rglob("*.csv")}
    assert not files & {path.relative_to(landing) for path in landing.rglob("*.csv")}
    assert all(path.name.split("_")[0] in contracts() for path in files)


def rows(folder: Path) -> Counter[Row]:
    """Every row below a folder with its clinic and feed, without its extract time."""
    return Counter(
        (("clinic", path.parent.name), ("feed", path.name.split("_")[0]),
         *((name, value) for name, value in row.items() if name != "extracted_at"))
        for path in folder.rglob("*.csv")
        for row in rows_of(path)
    )  # fmt: skip


def read(folder: Path, feed: str) -> list[dict[str, str]]:
    return [row for path in folder.rglob(f"{feed}_*.csv") for row in rows_of(path)]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(DictReader(file))
