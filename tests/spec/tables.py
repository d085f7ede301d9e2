"""Specification tables: Markdown that a clinician can read and a test can run.

A section is a heading, the rule in a yaml block, and a table; each line of it is one judged row, at
a clinic of its own, and the verdict that follows. A column is one of the judged row (`ended_at`),
of the patient (`patient.sex`), `dose_mg` (one dose of ketamine at the start), a feed (`vitals`:
rows as `10:15 spo2_pct=88; 10:30`), `cut-off` (of every feed), `never delivered` or `in quarantine`
(a feed), `time zone`, and `verdict`, `observed` and `why`. `-` is null, or no row. Times are of the
day of the session unless a date comes first, and local at the clinic (UTC unless said otherwise).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from checks.contract import contracts
from checks.strict_yaml import parse
from tests.oracle import JUDGED, World

HERE = Path(__file__).parent
DAY = date(2025, 3, 4)
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT = {
    "sessions": {
        "program": "iv_ketamine", "status": "completed", "scheduled_at": "10:00",
        "started_at": "10:00", "ended_at": "10:40", "discharged_at": "12:40",
    },
    "outcomes": {"instrument": "PHQ-9", "administered_at": "10:00"},
    "dispenses": {
        "drug": "ketamine", "form": "troche", "strength_mg": "100", "quantity": "4",
        "days_supply": "7", "dispensed_at": "10:00",
    },
}  # fmt: skip
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A section: a protocol of one rule, a world, and for each line its verdict and, if the table
    gives it, what is observed."""

    name: str
    protocol: dict[str, Any]
    world: World
    expected: dict[str, tuple[str, str]]


def tables(path: Path) -> list[Table]:
    """Every section of a file."""
    sections = re.split(r"^## ", path.read_text(), flags=re.M)[1:]
    return [_table(path.stem, section) for section in sections]


def _table(kind: str, text: str) -> Table:
    title = text.splitlines()[0]
    header, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    table = Table(title, _protocol(kind, title, text), World(facts, {}, [], AS_OF), {})
    for number, line in enumerate(lines, start=1):
        cells = dict(zip(header, line, strict=True))
        cells.pop("why", None)
        name = f"line {number}"
        table.expected[name] = cells.pop("verdict"), cells.pop("observed", "")
        _fill(table, name, cells)
    return table


def _protocol(kind: str, title: str, text: str) -> dict[str, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.S)
    written = dict(parse(block).data)
    judges = written.pop("judges", "sessions")
    scope = {"programs": ["iv_ketamine"]} if judges == "sessions" else {}
    rule = {"id": "rule", "title": title, "kind": kind, "severity": "major", "tier": "T4"}
    return {
        "protocol": "spec", "version": "1.0.0", "title": title, "drug": "ketamine",
        "effective": {"from": date(2020, 1, 1)}, "judges": judges, **scope,
        "rules": [{**rule, **written}],
    }  # fmt: skip


def _fill(table: Table, clinic: str, cells: dict[str, str]) -> None:
    """A line as the rows of a clinic."""
    judges = table.protocol["judges"]
    at = Line(clinic, ZoneInfo(cells.pop("time zone", "UTC")), table.world.facts)
    at.add("clinics", clinic_id=clinic, name="C", time_zone=at.zone.key)
    of_patient = [name for name in cells if name.startswith("patient.")]
    at.add("patients", patient_id="p",
           **{name.removeprefix("patient."): cells.pop(name) for name in of_patient})  # fmt: skip
    cut_off = at.moment(cells.pop("cut-off", "-")) or AS_OF
    undelivered, lost = cells.pop("never delivered", "-"), cells.pop("in quarantine", "-")
    dose = cells.pop("dose_mg", "-")
    own = {name: cells.pop(name) for name in list(cells) if name not in contracts()}
    id_column, _ = JUDGED[judges]
    given = {**SUBJECT[judges], "patient_id": "p", id_column: "subject", **own}
    at.add(judges, **given)
    at.add_dose("subject", dose, given.get("started_at", "-"))
    for feed, cell in cells.items():
        for number, text in enumerate([] if cell == "-" else cell.split(";"), start=1):
            at.add_written(feed, f"{feed}-{number}", text.strip())
    for feed in set(contracts()) - {undelivered}:
        table.world.cutoffs[clinic, feed] = cut_off  # type: ignore[index]
    if lost != "-":
        table.world.quarantined.append(  # type: ignore[attr-defined]
            {"clinic_id": clinic, "feed": lost, "session_id": "subject", "patient_id": "p"}
        )


@dataclass(frozen=True)
class Line:
    """A line's clinic while its rows are added."""

    clinic: str
    zone: ZoneInfo
    facts: Mapping[str, Any]

    def add_written(self, feed: str, name: str, text: str) -> None:
        """A row as `10:15 spo2_pct=88`, of the judged session and its patient unless it says so."""
        match = re.fullmatch(r"(-|[\d-]{10}(?: [\d:.]+)?|[\d:.]+) ?(.*)", text)
        assert match, text
        told = dict(pair.split("=") for pair in match[2].split())
        dose = told.pop("dose_mg", "-")
        if "items" in told:
            told["items"] = told["items"].replace(",", ";")
        contract = contracts()[feed]
        links = {"session_id": "subject", "patient_id": "p", "drug": "ketamine"}
        usual = {
            **{column: value for column, value in links.items() if column in contract.names},
            **({"program": "iv_ketamine", "status": "completed"} if feed == "sessions" else {}),
            contract.id_column: name,
            **({contract.event_time: match[1]} if contract.event_time else {}),
        }
        held = self.add(feed, **{**usual, **told})
        self.add_dose(held[contract.id_column], dose, match[1])

    def add_dose(self, session: str, mg: str, at: str) -> None:
        if mg != "-":
            self.add("doses", dose_id=f"dose of {session}", session_id=session, patient_id="p",
                     drug="ketamine", amount_mg=mg, started_at=at)  # fmt: skip

    def add(self, feed: str, **cells: str) -> Row:
        columns = [c for c in contracts()[feed].columns if c.name != "deleted"]
        unknown = set(cells) - {column.name for column in columns}
        assert not unknown, f"{feed} has no {unknown}"
        read = {
            column.name: self.read(column.type, cells.get(column.name, "-")) for column in columns
        }
        row = {**read, "clinic_id": self.clinic}
        self.facts[feed].append(row)
        return row

    def read(self, kind: str, text: str) -> Any:
        if text == "-":
            return None
        if kind == "timestamp":
            return self.moment(text)
        if kind == "date":
            return date.fromisoformat(text)
        if kind == "bool":
            return {"yes": True, "no": False}[text]
        return {"int": int, "number": float, "decimal": float}.get(kind, str)(text)

    def moment(self, text: str) -> datetime | None:
        """`10:00`, `10:00:01`, `2025-03-01`, `2025-03-01 10:00`, in the clinic's time."""
        if text == "-":
            return None
        match = re.fullmatch(r"([\d-]{10})? ?([\d:.]+)?", text)
        assert match, text
        hour, *rest = (match[2] or "00:00").split(":")
        local = datetime.fromisoformat(f"{match[1] or DAY}T{int(hour):02}:{':'.join(rest)}")
        return local.replace(tzinfo=self.zone).astimezone(UTC)
