"""A small network whose nights are loaded, judged and published without the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from checks.contract import contracts
from flows.deliveries import land
from flows.judging import JudgingSummary, judge_network
from flows.landing import discover
from flows.load import load_feed
from flows.publish import publish_run
from flows.runs import finish_run, start_run
from flows.warehouse import open_warehouse
from protocols.load import load_protocols
from tests.load.network import Network

INFUSIONS = """\
protocol: infusions
version: 1.0.0
title: Infusions
effective: {from: 2020-01-01}
judges: sessions
drug: ketamine
programs: [iv_ketamine]
rules:
  - {id: dose, title: Dose, kind: value, severity: critical, tier: T4, expr: dose_mg_per_kg,
     max: 1.0}
  - {id: weight, title: Weight, kind: value, severity: minor, tier: T4,
     expr: weight_kg is not null, is: true}
  - {id: time, title: Time, kind: elapsed, severity: major, tier: T4, from: started_at,
     to: ended_at, min: 30m, max: 60m}
  - {id: score, title: Score, kind: occurrence, severity: minor, tier: T4, of: outcomes,
     window: [started_at, started_at + 7d], link: session}
"""
SCORES = """\
protocol: scores
version: 2.1.0
title: Scores
effective: {from: 2020-01-01}
judges: outcomes
rules:
  - {id: total, title: Total, kind: value, severity: minor, tier: T4, expr: total, max: 27}
"""


@contextmanager
def plain_nights() -> Iterator[None]:
    """Nights without Great Expectations and the report, which have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.load.validate", lambda *_: [])
        patch.setattr("flows.publish._write_report", _count_findings)
        yield


def _count_findings(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (count,) = db.execute("SELECT count(*) FROM marts.findings").fetchone() or (0,)
    folder.mkdir()
    (folder / "index.html").write_text(f"{count} findings\n")


class Nights(Network):
    """Deliveries, protocols, and nights over them that end with a published run."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(folder)
        self.write_protocol("infusions.yaml", INFUSIONS)
        self.write_protocol("scores.yaml", SCORES)
        self.set(protocols=(folder / "protocols",), builtin_protocols=False, **more)

    def copied(self, folder: Path) -> Self:
        other = super().copied(folder)
        other.set(protocols=(folder / "protocols",))
        return other

    def set(self, **more: Any) -> None:
        """Change settings."""
        self.settings = self.settings.model_copy(update=more)

    def write_protocol(self, name: str, text: str) -> None:
        path = self.folder / "protocols" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def session(
        self,
        name: str,
        *,
        clinic: str = "north",
        patient: str = "p1",
        day: str = "2026-05-04",
        dose: float | None = 40,
        minutes: int = 40,
        **more: str,
    ) -> tuple[dict[str, str], dict[str, str] | None]:
        """A session of 80 kg from 10:00, and its dose, extracted together."""
        session = {
            "session_id": name, "patient_id": patient, "program": "iv_ketamine",
            "status": "completed", "started_at": f"{day}T10:00",
            "ended_at": f"{day}T{10 + minutes // 60}:{minutes % 60:02}", "weight_kg": "80",
        } | more  # fmt: skip
        given = None
        if dose is not None:
            given = {
                "dose_id": f"{name}-d", "session_id": name, "patient_id": patient,
                "drug": "ketamine", "amount_mg": str(dose), "started_at": f"{day}T10:00",
                "extracted_at": more.get("extracted_at", ""),
            }  # fmt: skip
        return session, given

    def sessions(self, file: str, *sessions: tuple[dict[str, str], dict[str, str] | None]) -> None:
        """Deliver sessions with their doses; `file` is "<clinic>/<label>"."""
        clinic, label = file.split("/")
        self.rows(f"{clinic}/sessions_{label}.csv", [session for session, _ in sessions])
        doses = [dose for _, dose in sessions if dose is not None]
        if doses:
            self.rows(f"{clinic}/doses_{label}.csv", doses)

    def publish(
        self,
        *,
        as_of: datetime | None = None,
        progress: Callable[[int, int], None] = lambda *_: None,
        full: bool = False,
    ) -> tuple[Path, JudgingSummary]:
        """A whole night; gives the published folder and the counts."""
        if as_of is not None:
            self.set(as_of=as_of)
        protocols = load_protocols(self.settings.protocols, self.settings.builtin_protocols)
        with open_warehouse(self.settings.warehouse) as warehouse:
            run = start_run(warehouse, self.settings.now())
            land(warehouse, discover(self.settings, warehouse, (), ()), run, self.settings)
            for feed in contracts():
                load_feed(warehouse, feed, run, self.settings)
            counts = judge_network(warehouse, protocols, run, self.settings, progress, full=full)
            folder = publish_run(warehouse, run, self.settings, protocols)
            finish_run(warehouse, run, "published")
        return folder, counts

    @property
    def current(self) -> Path:
        return self.settings.publish / "current"

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query over the current published results."""
        with duckdb.connect(str(self.current / "results.duckdb"), read_only=True) as db:
            return db.execute(query).fetchall()

    def manifest(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads((self.current / "manifest.json").read_text())
        return found

    def verdicts(self) -> dict[str, bytes]:
        """The published Parquet files by path."""
        folder = self.current / "verdicts"
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*.parquet"))
        }

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every published mart, sorted, without run ids."""
        with duckdb.connect(str(self.current / "results.duckdb"), read_only=True) as db:
            tables = db.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = 'marts'"
            ).fetchall()
            return {
                table: db.execute(
                    "SELECT COLUMNS(lambda c: c NOT IN ('run_id', 'first_found_run')) "
                    f"FROM marts.{table} ORDER BY ALL"
                ).fetchall()
                for (table,) in tables
            }
