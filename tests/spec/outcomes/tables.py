"""Tables of outcomes: sections of a Markdown file, and lines as the rows of small worlds.

Each line is a clinic of its own in UTC with one patient; day 1 is DAY.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from checks.contract import contracts
from checks.strict_yaml import parse
from tests.oracle import World
from tests.outcomes.engine import PROTOCOL

HERE = Path(__file__).parent
DAY = datetime(2025, 3, 4, tzinfo=UTC)
AS_OF = DAY + timedelta(days=300)
Cells = dict[str, str]


@dataclass(frozen=True)
class Section:
    """A heading, what stands before its table, and the table's lines by column."""

    name: str
    text: str
    lines: list[Cells]


def sections(file: str, folder: Path = HERE) -> list[Section]:
    parts = re.split(r"^## ", (folder / f"{file}.md").read_text(), flags=re.M)[1:]
    return [_section(part) for part in parts]


def _section(part: str) -> Section:
    header, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("|")
    ]
    cells = [dict(zip(header, line, strict=True)) for line in lines]
    for line in cells:
        line.pop("why", None)
    title, _, text = part.partition("\n")
    return Section(title, text.split("\n|")[0], cells)


def number(text: str) -> float | None:
    return None if text == "-" else float(text)


def truth(text: str) -> bool | None:
    return {"yes": True, "no": False, "-": None}[text]


def moment(text: str) -> datetime:
    """`8` (noon) or `8T10:01`."""
    day, _, clock = text.partition("T")
    hour, minute = (clock or "12:00").split(":")
    return DAY + timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute))


class Network:
    """A world with one clinic a line."""

    def __init__(self) -> None:
        self.facts: dict[str, list[dict[str, Any]]] = {feed: [] for feed in contracts()}
        self.cutoffs: dict[tuple[str, str], datetime] = {}

    @property
    def world(self) -> World:
        return World(self.facts, self.cutoffs, [], AS_OF)

    def clinic(self, name: str) -> None:
        self.add("clinics", name, name="C", time_zone="UTC")
        for feed in contracts():
            self.cutoffs[name, feed] = AS_OF

    def add(self, feed: str, clinic: str, **values: Any) -> None:
        blank = {c.name: None for c in contracts()[feed].columns if c.name != "deleted"}
        self.facts[feed].append(blank | {"clinic_id": clinic, "patient_id": "p"} | values)


def courses(section: Section) -> tuple[World, dict[str, Any]]:
    """A section of `courses.md` as a world and its protocol."""
    (block,) = re.findall(r"```yaml\n(.*?)```", section.text, flags=re.S)
    primary = {"day": 28, "within": 7, **parse(block).data}
    network = Network()
    for at, line in enumerate(section.lines, start=1):
        name = f"line {at}"
        network.clinic(name)
        for day in line["sessions"].split():
            network.add("sessions", name, session_id=f"s{day}", program="iv_ketamine",
                        status="completed", started_at=moment(f"{day}T10:00"))  # fmt: skip
        for item, text in enumerate(line["scores"].split()):
            day, total = text.split("=")
            network.add("outcomes", name, outcome_id=f"o{item}", total=float(total),
                        instrument=primary["instrument"],
                        administered_at=moment(day))  # fmt: skip
        if "cut-off day" in line:
            cut = moment(f"{line['cut-off day']}T00:00")
            network.cutoffs[name, "outcomes"] = cut
    return network.world, {**PROTOCOL, "primary": primary}


def screens(section: Section) -> World:
    """A section of `screens.md` as a world."""
    network = Network()
    at = moment("1")
    for place, line in enumerate(section.lines, start=1):
        name = f"line {place}"
        network.clinic(name)
        items = None if line["items"] == "-" else line["items"]
        network.add("outcomes", name, outcome_id="o", instrument=line["instrument"], items=items,
                    administered_at=at, total=number(line["total"]))  # fmt: skip
        for held, text in enumerate([] if line["contacts"] == "-" else line["contacts"].split(",")):
            hours, status = text.split()
            network.add("contacts", name, contact_id=f"c{held}", kind="crisis", status=status,
                        started_at=at + timedelta(hours=float(hours)))  # fmt: skip
        if line["cut-off"] == "never":
            del network.cutoffs[name, "contacts"]
        else:
            network.cutoffs[name, "contacts"] = at + timedelta(hours=float(line["cut-off"]))
    return network.world
