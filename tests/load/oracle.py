"""Loading in plain Python, slowly and without SQL: what ought to be in force.

For the feeds and columns of `COLUMNS`. The instant that orders a row's versions is its own
`extracted_at`, else the end of the local day in its file's name; so every file here has the one or
the other, since a file with neither is ordered by the night that first saw it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from checks.contract import contract
from tests.load.network import NORTH, SOUTH, as_csv

NETWORK = "_network"
ZONES = {NORTH: ZoneInfo("America/Chicago"), SOUTH: ZoneInfo("America/Phoenix")}
COMMON = ("clinic_id", "extracted_at", "deleted")
COLUMNS = {
    "staff": ("staff_id", "role", "license_expires_on", *COMMON),
    "sessions": ("session_id", "patient_id", "program", "status", "started_at", *COMMON),
    "patients": ("patient_id", "sex", "prior_sessions", *COMMON),
}
Key = tuple[str, str]
Row = dict[str, str]


@dataclass(frozen=True)
class File:
    """One delivery: rows with the keys of `COLUMNS`, all text; `day` is the date in its name."""

    folder: str
    feed: str
    rows: tuple[tuple[str, ...], ...]
    day: str | None = None
    format: str = "csv"
    lacks: str | None = None

    @property
    def dicts(self) -> list[Row]:
        return [dict(zip(COLUMNS[self.feed], row, strict=True)) for row in self.rows]

    @property
    def content(self) -> bytes:
        """The bytes that tell a file from another: unpacked."""
        header = [name for name in COLUMNS[self.feed] if name != self.lacks]
        rows = [{name: row[name] for name in header} for row in self.dicts]
        if self.format == "parquet":
            file = io.BytesIO()
            schema = pa.schema([(name, pa.string()) for name in header])
            pq.write_table(pa.Table.from_pylist(rows, schema), file)
            return file.getvalue()
        text = as_csv(rows, header)
        return text.replace(",", "\t" if self.format == "tsv" else ",").encode()

    @property
    def packed(self) -> bytes:
        """The bytes as they are delivered."""
        return gzip.compress(self.content, mtime=0) if self.format == "csv.gz" else self.content

    def name(self, label: object) -> str:
        """A path under the landing folder."""
        day = f"_{self.day}" if self.day else ""
        return f"{self.folder}/{self.feed}_{label}{day}.{self.format}"

    @property
    def taken(self) -> datetime:
        """When it was extracted: its latest row, else the day in its name."""
        zone = ZONES.get(self.folder, UTC)
        stated = [
            moment(row["extracted_at"], ZONES.get(_clinic(self, row) or "", UTC))
            for row in self.dicts
            if row["extracted_at"]
        ]
        return max(stated) if stated else _end_of(self.day, zone)


@dataclass(frozen=True)
class Expected:
    """Rows in force as (clinic, values, instant), and (clinic, id) of rows still in quarantine."""

    facts: list[tuple[str, tuple[str | None, ...], datetime]]
    quarantined: set[Key]


@dataclass(frozen=True)
class _Version:
    at: datetime
    tie: int
    file: File
    row: Row
    good: bool

    @property
    def order(self) -> tuple[datetime, int]:
        return self.at, self.tie


def expected(feed: str, files: Sequence[File], *, full: bool) -> Expected:
    """What the files say of a feed when each of them has been loaded, in whatever order."""
    loaded = [file for file in dict.fromkeys(files) if file.feed == feed and file.lacks is None]
    if full:
        loaded = _long_enough(loaded)
    versions: dict[Key, list[_Version]] = defaultdict(list)
    for file in loaded:
        for key, version in _versions(file):
            versions[key].append(version)
    latest = {folder: max(f.taken for f in loaded if f.folder == folder)
              for folder in {file.folder for file in loaded}}  # fmt: skip
    facts, quarantined = [], set()
    for (clinic, name), found in versions.items():
        good = [version for version in found if version.good]
        for version in found:
            if not version.good and not any(other.at > version.at for other in good):
                quarantined.add((clinic, name))
        if not good:
            continue
        last = max(good, key=lambda version: version.order)
        seen = max(max(version.at, version.file.taken) for version in found)
        absent = full and seen < latest[last.file.folder]
        if last.row["deleted"] != "true" and not absent:
            facts.append((clinic, _typed(feed, clinic, last.row), last.at))
    return Expected(sorted(facts, key=str), quarantined)


def _versions(file: File) -> Iterator[tuple[Key, _Version]]:
    contents = defaultdict(set)
    held = [(row, _clinic(file, row)) for row in file.dicts]
    for row, clinic in held:
        contents[clinic, row[COLUMNS[file.feed][0]]].add(_content(row))
    for row, clinic in held:
        if clinic not in ZONES:
            continue  # nobody's: it is quarantined and nothing else
        key = (clinic, row[COLUMNS[file.feed][0]])
        at = (
            moment(row["extracted_at"], ZONES[clinic])
            if row["extracted_at"]
            else _end_of(file.day, ZONES[clinic])
        )
        good = len(contents[key]) == 1 and _good(file, row)
        yield key, _Version(at, _tie(file.feed, row), file, row, good)


def _clinic(file: File, row: Row) -> str | None:
    """Whose a row is; in a clinic's folder always that clinic's."""
    return file.folder if file.folder != NETWORK else row["clinic_id"] or None


def _long_enough(files: Sequence[File]) -> list[File]:
    """Without full exports of fewer rows than a share of those of the export before."""
    before: dict[str, int] = {}
    kept = []
    for file in sorted(files, key=lambda f: (f.taken, hashlib.sha256(f.content).hexdigest())):
        (least,) = (e.parameters["least_share"] for e in contract(file.feed).expectations
                    if e.kind == "volume")  # fmt: skip
        if len(file.rows) >= least * before.get(file.folder, 0):
            before[file.folder] = len(file.rows)
            kept.append(file)
    return kept


def _content(row: Row) -> tuple[str, ...]:
    return tuple(value for name, value in row.items() if name not in ("extracted_at", "clinic_id"))


def _good(file: File, row: Row) -> bool:
    if file.folder != NETWORK and row["clinic_id"] not in ("", file.folder):
        return False
    if row["deleted"] == "true":
        return True
    for column in contract(file.feed).columns:
        value = row.get(column.name, "")
        if column.required and not value:
            return False
        if value and column.closed is not None and value not in column.closed:
            return False
        if value and not _readable(column.type, value):
            return False
    return True


def _readable(kind: str, value: str) -> bool:
    try:
        if kind == "date":
            date.fromisoformat(value)
        elif kind == "timestamp":
            moment(value, UTC)
        elif kind == "int":
            int(value)
    except ValueError:
        return False
    return True


def _typed(feed: str, clinic: str, row: Row) -> tuple[str | None, ...]:
    """The row's own columns as the warehouse would write them."""
    found: list[str | None] = []
    for name in COLUMNS[feed]:
        if name in COMMON:
            continue
        value: str | None = row[name] or None
        if value and contract(feed).column(name).type == "timestamp":
            value = f"{moment(value, ZONES[clinic]):%Y-%m-%dT%H:%M:%SZ}"
        found.append(value)
    return tuple(found)


def _tie(feed: str, row: Row) -> int:
    values = (row.get(name, "") for name in contract(feed).names)
    return int(hashlib.sha256("\x1f".join(values).encode()).hexdigest(), 16)


def moment(text: str, zone: tzinfo) -> datetime:
    """A timestamp with Z, or local at the clinic."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def _end_of(day: str | None, zone: tzinfo) -> datetime:
    """The last microsecond of a local day."""
    assert day is not None, "a file needs extracted_at in its rows or a day in its name"
    after = date.fromisoformat(day) + timedelta(days=1)
    return datetime.combine(after, time(), zone).astimezone(UTC) - timedelta(microseconds=1)
