"""What a night gives reason to tell, over nights that are really run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.runs import Run
from flows.settings import AlertSettings
from flows.warehouse import open_warehouse
from flows.watch import SilentFeed, Watched, watch
from tests.publish.nights import Nights

EXTRACTED = "2026-05-05T06:00:00Z"
NIGHT = datetime(2026, 5, 5, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])
    monkeypatch.setattr("flows.publish._write_report", lambda _, folder: folder.mkdir())


def watched(nights: Nights, as_of: datetime) -> Watched:
    folder, _ = nights.publish(as_of=as_of)
    with open_warehouse(nights.settings.warehouse) as warehouse:
        return watch(warehouse, Run(folder.name, 0, as_of, as_of), nights.settings)


def test_nights_that_give_reason_to_tell(tmp_path: Path) -> None:
    nights = Nights(tmp_path, alerts=AlertSettings(stale_feeds=("sessions", "vitals")))
    over = nights.session("s1", dose=400, extracted_at=EXTRACTED)
    nights.sessions("north/2026-05-04", over)
    assert watched(nights, NIGHT) == Watched((), (), 1)

    again = watched(nights, NIGHT + timedelta(hours=1))
    assert again.critical == 0, "it was found before"

    nights.deliver("north/sessions_wrong.csv", "session\ns2\n")
    late = watched(nights, datetime(2026, 5, 8, 6, tzinfo=UTC))
    assert [(one.clinic_id, one.feed, one.path) for one in late.blocked] == [
        ("north", "sessions", "north/sessions_wrong.csv")
    ]
    assert late.silent == (SilentFeed("north", "sessions", 3),), "vitals were never delivered"
    assert watched(nights, datetime(2026, 5, 8, 5, 59, tzinfo=UTC)).silent == ()
