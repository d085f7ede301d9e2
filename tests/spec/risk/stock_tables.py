"""Tables of stock and staff as small networks: each line is a clinic of its own in UTC.

Day 1 is DAY, and times are 10:00 unless a line says otherwise.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from checks.contract import contracts
from tests.risk.stock_engine import Network, Row
from tests.spec.outcomes.tables import Cells, Section, sections

HERE = Path(__file__).parent
DAY = datetime(2026, 3, 2, tzinfo=UTC)
FEEDS = ("inventory", "doses", "sessions")
KINDS = {"given": "administered"}
DRUGS = ("esketamine", "ondansetron")
# Words before a value, and the column that it fills.
_WORDS = {"lot": "lot", "by": "actor_id", "seen": "witness_id", "of": "opened_mg",
          "+": "wasted_mg", "x": "devices"}  # fmt: skip
_DAYS = {"found": "discovered_at", "told": "dea_notified_at", "form": "form106_submitted_at"}


def held(file: str) -> list[Section]:
    """Sections of a file."""
    return sections(file, HERE)


def signals_of(section: Section) -> set[str]:
    """The signals that a section is about."""
    (named,) = re.findall(r"Signals: (.*)\.", section.text)
    return set(named.split(", "))


def expected(line: Cells) -> dict[tuple[str, str], float]:
    """Observed by signal and subject; a lot is L and a clinic C where nothing else is said."""
    found = {}
    for each in [] if line["flags"] == "-" else line["flags"].split(", "):
        signal, observed, subject = re.fullmatch(r"(\S+) (\S+)(?: \((.*)\))?", each).groups()  # type: ignore[union-attr]
        usual = "C" if signal == "count-overdue-biennial" else "L"
        found[signal, subject or usual] = float(observed)
    return found


def network(section: Section) -> Network:
    """All lines of a section."""
    facts: dict[str, list[Row]] = {feed: [] for feed in contracts()}
    cutoffs: dict[tuple[str, str], datetime] = {}
    last = max([40, *(int(line["ends"]) for line in section.lines if "ends" in line)])
    as_of = DAY + timedelta(days=last)
    for weekday in range(1, 6):
        _add(facts, "hours", None, hours_id=f"h{weekday}", weekday=weekday, opens="08:00",
             closes="17:00", effective_from=date(2020, 1, 1))  # fmt: skip
    for place, line in enumerate(section.lines, start=1):
        clinic = name_of(place)
        _add(facts, "clinics", clinic, name="C", time_zone="UTC")
        for session in ("s1", "s2", "s3"):
            _add(facts, "sessions", clinic, session_id=session, patient_id="p",
                 program="iv_ketamine", status="completed")  # fmt: skip
        for number, text in enumerate(_items(line.get("entries", "-"))):
            _add(facts, "inventory", clinic, entry_id=f"i{number}", **_entry(text))
        for number, text in enumerate(_items(line.get("doses", "-"))):
            _add(facts, "doses", clinic, dose_id=f"d{number}", patient_id="p", **_dose(text))
        for number, text in enumerate(_items(line.get("shifts", "-"))):
            _add(facts, "shifts", clinic, shift_id=f"h{number}", **_shift(text))
        ends = _moment(line["ends"], "12:00") if "ends" in line else as_of
        for feed in (*FEEDS, *(["shifts"] if line.get("shifts", "-") != "-" else [])):
            cutoffs[clinic, feed] = ends
    return Network(facts, as_of, cutoffs)


def name_of(place: int) -> str:
    return f"line {place}"


def _add(facts: dict[str, list[Row]], feed: str, clinic: str | None, **values: Any) -> None:
    blank = {c.name: None for c in contracts()[feed].columns if c.name != "deleted"}
    facts[feed].append(blank | {"clinic_id": clinic} | values)


def _items(text: str) -> list[str]:
    return [] if text == "-" else [each.strip() for each in text.split(";")]


def _moment(day: str, clock: str = "10:00") -> datetime:
    hour, minute = map(int, clock.split(":"))
    return DAY + timedelta(days=int(day) - 1, hours=hour, minutes=minute)


def _entry(text: str) -> Row:
    kind, amount, rest = text.split(maxsplit=2)
    row = _said(rest)
    return row | {"kind": KINDS.get(kind, kind), "amount_mg": Decimal(amount),
                  "occurred_at": row.pop("at")}  # fmt: skip


def _dose(text: str) -> Row:
    amount, rest = text.split(maxsplit=1)
    row = _said(rest)
    return row | {"amount_mg": Decimal(amount), "started_at": row.pop("at"),
                  "administered_by": row.pop("actor_id", None)}  # fmt: skip


def _said(text: str) -> Row:
    """The words behind an amount."""
    words = text.split()
    row: Row = {"lot": "L", "drug": "ketamine"}
    while words:
        word = words.pop(0)
        if word in DRUGS:
            row["drug"] = word
        elif re.fullmatch(r"s\d", word):
            row["session_id"] = word
        elif word.startswith("@"):
            row["at"] = _moment(word[1:], *_clock(words))
        elif word in _DAYS:
            row[_DAYS[word]] = _moment(words.pop(0), *_clock(words))
        else:
            value: Any = words.pop(0)
            name = _WORDS[word]
            row[name] = Decimal(value) if name.endswith("_mg") else None if value == "-" else value
    if "devices" in row:
        row["devices"] = int(row["devices"])
    return row


def _clock(words: list[str]) -> list[str]:
    return [words.pop(0)] if words and ":" in words[0] else []


def _shift(text: str) -> Row:
    staff, day, opens, closes = re.fullmatch(r"(\S+) @(\d+) (\S+)-(\S+)", text).groups()  # type: ignore[union-attr]
    return {"staff_id": staff, "started_at": _moment(day, opens), "ended_at": _moment(day, closes)}
