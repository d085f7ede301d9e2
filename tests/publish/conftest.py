"""Great Expectations and the report have their own tests: publishing is tried without them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.publish.nights import Nights


@pytest.fixture(autouse=True)
def _no_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])


@pytest.fixture(autouse=True)
def _plain_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (count,) = db.execute("SELECT count(*) FROM marts.findings").fetchone() or (0,)
        folder.mkdir()
        (folder / "index.html").write_text(f"{count} findings\n")

    monkeypatch.setattr("flows.publish._write_report", write)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)
