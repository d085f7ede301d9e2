"""Loading in plain Python, slowly and without SQL: what ought to be in force.

Only for deliveries whose every row has `extracted_at`, written with Z, and for the feed `staff`
with the columns of `COLUMNS`.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from checks.contract import contract
from tests.load.network import as_csv

COLUMNS = ("staff_id", "role", "license_expires_on", "extracted_at", "deleted")
Row = dict[str, str]


@dataclass(frozen=True)
class File:
    """One delivery of a clinic: rows with the keys of `COLUMNS`, all text."""

    clinic: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def dicts(self) -> list[Row]:
        return [dict(zip(COLUMNS, row, strict=True)) for row in self.rows]

    @property
    def taken(self) -> str:
        """When it was extracted."""
        return max(row["extracted_at"] for row in self.dicts)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(as_csv(self.dicts, COLUMNS).encode()).hexdigest()


@dataclass(frozen=True)
class Expected:
    """(clinic, staff, role, licence, extracted_at) in force; (clinic, staff) still quarantined."""

    facts: list[tuple[str, str, str | None, str | None, str]]
    quarantined: Counter[tuple[str, str]]


def expected(files: Sequence[File], *, full: bool) -> Expected:
    """What the files say when every one of them has been loaded, in whatever order."""
    unique = list(dict.fromkeys(files))
    if full:
        unique = _long_enough(unique)
    versions: dict[tuple[str, str], list[tuple[tuple[str, int], Row]]] = defaultdict(list)
    bad: list[tuple[tuple[str, str], str]] = []
    seen: dict[tuple[str, str], str] = {}
    latest: dict[str, str] = {}
    for file in unique:
        latest[file.clinic] = max(latest.get(file.clinic, ""), file.taken)
        contents = defaultdict(set)
        for row in file.dicts:
            contents[row["staff_id"]].add(_content(row))
        for row in file.dicts:
            key = (file.clinic, row["staff_id"])
            seen[key] = max(seen.get(key, ""), file.taken)
            if len(contents[row["staff_id"]]) > 1 or not _good(row):
                bad.append((key, row["extracted_at"]))
            else:
                versions[key].append(((row["extracted_at"], _tie(row)), row))
    facts = []
    for (clinic, staff), found in versions.items():
        (at, _), row = max(found, key=lambda version: version[0])
        absent = full and seen[clinic, staff] < latest[clinic]
        if row["deleted"] != "true" and not absent:
            facts.append((clinic, staff, row["role"], row["license_expires_on"] or None, at))
    open_rows = Counter(
        key for key, at in bad if not any(good > at for (good, _), _ in versions.get(key, []))
    )
    return Expected(sorted(facts), open_rows)


def _long_enough(files: Sequence[File]) -> list[File]:
    """Without full exports of fewer rows than a share of those of the export before."""
    (least,) = (e.parameters["least_share"] for e in contract("staff").expectations
                if e.kind == "volume")  # fmt: skip
    before: dict[str, int] = {}
    kept = []
    for file in sorted(files, key=lambda file: (file.taken, file.sha256)):
        if len(file.rows) >= least * before.get(file.clinic, 0):
            before[file.clinic] = len(file.rows)
            kept.append(file)
    return kept


def _content(row: Row) -> tuple[str, ...]:
    return tuple(value for name, value in row.items() if name != "extracted_at")


def _good(row: Row) -> bool:
    if row["deleted"] == "true":
        return True
    column = contract("staff").column("role")
    assert column.closed is not None
    if row["role"] not in column.closed:
        return False
    try:
        return row["license_expires_on"] == "" or bool(
            date.fromisoformat(row["license_expires_on"])
        )
    except ValueError:
        return False


def _tie(row: Row) -> int:
    values = (row.get(name, "") for name in contract("staff").names)
    return int(hashlib.sha256("\x1f".join(values).encode()).hexdigest(), 16)
