"""Runs are numbered on, whatever was lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from flows.runs import start_run
from flows.warehouse import open_warehouse


def test_a_new_warehouse_numbers_on_from_the_published_runs(tmp_path: Path) -> None:
    published = tmp_path / "published"
    for name in ("000007-20260101T000000Z", "000002-20260201T000000Z", "000099-notes"):
        (published / name).mkdir(parents=True)
    with open_warehouse(tmp_path / "warehouse") as warehouse:
        first = start_run(warehouse, datetime.now(UTC), published)
        second = start_run(warehouse, datetime.now(UTC), published)
        assert (first.seq, second.seq) == (8, 9)
