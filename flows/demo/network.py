"""The sample network on disk: several nights of deliveries, with corrections and late rows."""

from __future__ import annotations

import csv
import shutil
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from checks.contract import contract
from flows.demo.calendar import LAST_DAY, STATES, Clinic, end_of_last_day, network_clinics
from flows.demo.care import Care, Table, give_care
from flows.demo.plants import Planting, Truth, plant

Column = NDArray[Any]
MARKER = ".keel-demo"
NIGHTS = 6
_EVENT = {"sessions": "started_at", "doses": "started_at", "vitals": "measured_at",
          "outcomes": "administered_at"}  # fmt: skip
_STAMPS = frozenset({
    "scheduled_at", "arrived_at", "started_at", "ended_at", "monitoring_ended_at", "ready_at",
    "discharged_at", "measured_at", "administered_at",
})  # fmt: skip


@dataclass(frozen=True)
class DemoSummary:
    """What was written: the instant to judge it at, rows by feed, planted truths."""

    as_of: datetime
    rows: dict[str, int]
    planted: int


def is_demo_folder(folder: Path) -> bool:
    """Whether Keel's demo wrote this folder, so that it may rewrite it."""
    return (folder / MARKER).is_file()


def write_network(
    folder: Path,
    *,
    clinics: int = 6,
    patients: int = 240,
    days: int = 120,
    seed: int = 1,
    file_format: str = "csv",
    clean: bool = False,
    truth: bool = False,
) -> DemoSummary:
    """Write a network's exports to `folder/landing`; the same arguments write the same bytes.

    `clean` plants nothing; `truth` also writes `folder/truth.csv`.
    """
    for old in ("landing", "warehouse", "published"):
        shutil.rmtree(folder / old, ignore_errors=True)
    (folder / "truth.csv").unlink(missing_ok=True)
    landing = folder / "landing"
    landing.mkdir(parents=True)
    (folder / MARKER).write_text("This folder is Keel's demo, and is written anew by it.\n")
    made = network_clinics(clinics)
    _write_clinics(landing, made, file_format)
    rows = {"clinics": len(made)}
    truths: list[Truth] = []
    for at, clinic in enumerate(made):
        share = patients // clinics + (at < patients % clinics)
        if share == 0:
            continue
        rng = np.random.default_rng([seed, at])
        hurried = 0 if clean else max(1, share // 40)
        care = give_care(clinic, share, days, hurried, rng)
        latest = np.datetime64(LAST_DAY) - NIGHTS - 1
        planting = Planting(care) if clean else plant(care, hurried, rng, latest=latest)
        written = _deliver(landing, care, planting, file_format)
        rows = _added(rows, written)
        truths += planting.truth
    if truth:
        _write_truth(folder / "truth.csv", truths)
    return DemoSummary(end_of_last_day(), rows, len(truths))


def _added(rows: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {feed: rows.get(feed, 0) + more.get(feed, 0) for feed in [*rows, *more]}


def _write_clinics(landing: Path, clinics: list[Clinic], file_format: str) -> None:
    day = LAST_DAY - timedelta(days=NIGHTS)
    frame = pl.DataFrame(
        {
            "clinic_id": [clinic.clinic_id for clinic in clinics],
            "name": [clinic.name for clinic in clinics],
            "time_zone": [clinic.zone for clinic in clinics],
            "state": [STATES[clinic.zone] for clinic in clinics],
            "chairs": [clinic.chairs for clinic in clinics],
            "extracted_at": [_extracted(day)] * len(clinics),
        }
    )
    _write(frame, landing / "_network", f"clinics_{day}", file_format)


def _deliver(landing: Path, care: Care, planting: Planting, file_format: str) -> dict[str, int]:
    """One file a feed and night: first all that was, then what each day brought."""
    counts: dict[str, int] = {}
    nights = [LAST_DAY - timedelta(days=left) for left in range(NIGHTS, -1, -1)]
    for feed in ("patients", *_EVENT):
        table = care.tables[feed]
        frame = _frame(feed, table, care)
        delivered = _night_of(feed, table, care, nights)
        for at, night in enumerate(nights):
            chosen = (delivered == at) & ~_left_out(table)
            mine = frame.filter(pl.Series(chosen)).with_columns(
                extracted_at=pl.lit(_extracted(night))
            )
            name = f"{feed}_{night}"
            mine = _spoiled(
                mine, feed, chosen, planting, f"{care.clinic.clinic_id}/{name}.{file_format}"
            )
            if at == 1 and feed == "sessions":
                mine = pl.concat([mine, _corrections(frame, delivered, night)])
            if at == 0 and feed == "sessions":
                mine = _miswritten(mine)
            _write(mine, landing / care.clinic.clinic_id, name, file_format)
            counts[feed] = counts.get(feed, 0) + len(mine)
    return counts


def _frame(feed: str, table: Table, care: Care) -> pl.DataFrame:
    """A table's columns as the clinic writes them, in contract order."""
    columns: dict[str, pl.Series] = {}
    for name in contract(feed).names:
        if name not in table or (feed == "patients" and name == "weight_kg"):
            continue
        values = table[name]
        if name in _STAMPS:
            columns[name] = pl.Series(care.clinic.written(values.astype("datetime64[s]")))
        elif values.dtype.kind == "f":
            columns[name] = pl.Series(values, nan_to_null=True)
        else:
            columns[name] = pl.Series(values)
    return pl.DataFrame(columns)


def _night_of(feed: str, table: Table, care: Care, nights: list[date]) -> Column:
    """Which night brings each row; one reading in fifty comes a night late."""
    if feed == "patients":
        return np.zeros(len(table["patient_id"]), dtype=int)
    at = table[_EVENT[feed]]
    offset = care.clinic.offset_minutes(at).astype("timedelta64[m]")
    day = (at.astype("datetime64[m]") + offset).astype("datetime64[D]")
    night = (day - np.datetime64(nights[0], "D")).astype(int).clip(0, len(nights) - 1)
    if feed == "vitals":
        late = (np.arange(len(night)) % 50 == 7) & (night < len(nights) - 1) & (night > 0)
        night = night + late
    return np.asarray(night)


def _left_out(table: Table) -> Column:
    size = len(next(iter(table.values())))
    return np.asarray(table.get("left_out", np.zeros(size, dtype=bool)))


def _spoiled(
    frame: pl.DataFrame, feed: str, chosen: Column, planting: Planting, file: str
) -> pl.DataFrame:
    """Write unreadable or impossible values over good ones, and note file and row number."""
    positions = np.cumsum(chosen)
    for spoiled_feed, row, column, text, reason in planting.spoiled:
        if spoiled_feed != feed or not chosen[row]:
            continue
        number = int(positions[row])
        values = frame[column].cast(pl.String)
        frame = frame.with_columns(values.scatter(number - 1, text) if values.len() else values)
        planting.truth.append(
            Truth("dirty_row", planting.care.clinic.clinic_id, feed, file=file,
                  row_number=str(number), reason=reason)
        )  # fmt: skip
    return frame


def _miswritten(frame: pl.DataFrame) -> pl.DataFrame:
    """The first delivery has a wrong chair in some sessions, which a later one corrects."""
    wrong = pl.int_range(pl.len()) % 40 == 11
    return frame.with_columns(chair=pl.when(wrong).then(pl.lit("99")).otherwise(pl.col("chair")))


def _corrections(frame: pl.DataFrame, delivered: Column, night: date) -> pl.DataFrame:
    first = frame.filter(pl.Series(delivered == 0))
    return first.filter(pl.int_range(pl.len()) % 40 == 11).with_columns(
        extracted_at=pl.lit(_extracted(night))
    )


def _extracted(night: date) -> str:
    """Exports are taken early the next morning."""
    return f"{night + timedelta(days=1)}T11:00:00Z"


def _write(frame: pl.DataFrame, folder: Path, name: str, file_format: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if file_format == "parquet":
        frame.write_parquet(folder / f"{name}.parquet")
    else:
        frame.write_csv(folder / f"{name}.csv")


def _write_truth(path: Path, truths: list[Truth]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Truth)])
        writer.writeheader()
        writer.writerows(asdict(truth) for truth in truths)
