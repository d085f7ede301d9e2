"""The sample network on disk: several nights of deliveries, with corrections and late rows."""

from __future__ import annotations

import csv
import shutil
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows.demo.calendar import LAST_DAY, Clinic, end_of_last_day, network_clinics
from flows.demo.care import treat
from flows.demo.follow_up import follow
from flows.demo.money import bill, plant_codes, rates
from flows.demo.people import Care, admit
from flows.demo.plants import Planting, Truth, plant
from flows.demo.risks import plant_risks, share_persons
from flows.demo.site import clinic_rows, hour_rows
from flows.demo.supply import supply
from flows.demo.tables import Column, Table, size, written

MARKER = ".keel-demo"
NIGHTS = 6
# When a row of these feeds happened; the rest is delivered once.
_EVENT = {
    "sessions": "started_at", "doses": "started_at", "vitals": "measured_at",
    "outcomes": "administered_at", "screenings": "performed_at", "dispenses": "dispensed_at",
    "inventory": "occurred_at", "charges": "service_on", "events": "started_at",
    "contacts": "scheduled_at", "shifts": "started_at",
}  # fmt: skip
_ONCE = ("patients", "staff", "medications", "waivers")
# These come every night; the others at first and with the last night.
_NIGHTLY = ("sessions", "doses", "vitals", "outcomes")
DENIED = {"status": "denied", "allowed_usd": None, "payer_paid_usd": None,
          "patient_owed_usd": None, "patient_paid_usd": 0.0, "billed_to_patient_on": None,
          "patient_paid_on": None, "denial_reason": "no_prior_authorization"}  # fmt: skip


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
    rows = _write_network_files(landing, made, file_format)
    truths: list[Truth] = []
    neighbour: Care | None = None
    for at, clinic in enumerate(made):
        share = patients // clinics + (at < patients % clinics)
        if share == 0:
            continue
        care = Care(clinic, days, np.random.default_rng([seed, at]))
        planting = _lived(care, share, neighbour, clean=clean)
        rows = _added(rows, _deliver(landing, care, planting, file_format))
        truths += planting.truth
        neighbour = care
    if truth:
        _write_truth(folder / "truth.csv", truths)
    return DemoSummary(end_of_last_day(), rows, len(truths))


def _lived(care: Care, patients: int, neighbour: Care | None, *, clean: bool) -> Planting:
    """All that happened at one clinic, and what was planted."""
    hurried = 0 if clean else max(1, patients // 40)
    admit(care, patients, hurried)
    treat(care, hurried)
    follow(care)
    latest = np.datetime64(LAST_DAY) - NIGHTS - 1
    planting = Planting(care) if clean else plant(care, hurried, latest=latest)
    supply(care)
    bill(care)
    if not clean:
        plant_codes(planting)
        plant_risks(planting)
        if neighbour is not None and care.clinic.carelessness % 2:
            share_persons(care, neighbour, planting)
    return planting


def _added(rows: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {feed: rows.get(feed, 0) + more.get(feed, 0) for feed in [*rows, *more]}


def _write_network_files(landing: Path, clinics: list[Clinic], file_format: str) -> dict[str, int]:
    day = LAST_DAY - timedelta(days=NIGHTS)
    frames = {"clinics": clinic_rows(clinics), "hours": hour_rows(), "rates": rates()}
    for feed, frame in frames.items():
        frame = frame.with_columns(extracted_at=pl.lit(_extracted(day)))
        _write(frame, landing / "_network", f"{feed}_{day}", file_format)
    return {feed: len(frame) for feed, frame in frames.items()}


def _deliver(landing: Path, care: Care, planting: Planting, file_format: str) -> dict[str, int]:
    """One file a feed and night: first all that was, then what each night brought."""
    counts: dict[str, int] = {}
    nights = [LAST_DAY - timedelta(days=left) for left in range(NIGHTS, -1, -1)]
    for feed, table in care.tables.items():
        frame = written(feed, table, care.clinic)
        mine = _nights_of(feed, nights)
        delivered = _night_of(feed, table, care, mine)
        for at, night in enumerate(mine):
            chosen = (delivered == at) & ~_left_out(table)
            brought = frame.filter(pl.Series(chosen)).with_columns(
                extracted_at=pl.lit(_extracted(night))
            )
            name = f"{feed}_{night}"
            file = f"{care.clinic.clinic_id}/{name}.{file_format}"
            brought = _spoiled(brought, feed, chosen, planting, file)
            brought = _changed(brought, feed, at, frame, table, delivered, night)
            _write(brought, landing / care.clinic.clinic_id, name, file_format)
            counts[feed] = counts.get(feed, 0) + len(brought)
    return counts


def _nights_of(feed: str, nights: list[date]) -> list[date]:
    if feed in _ONCE:
        return nights[:1]
    return nights if feed in _NIGHTLY else [nights[0], nights[-1]]


def _night_of(feed: str, table: Table, care: Care, nights: list[date]) -> Column:
    """Which night brings each row; one reading in fifty comes a night late."""
    if feed not in _EVENT:
        return np.zeros(size(table), dtype=int)
    at = table[_EVENT[feed]]
    if feed == "sessions":
        at = np.where(np.isnat(at), table["scheduled_at"], at)
    if at.dtype == np.dtype("datetime64[D]"):
        day = at
    else:
        offset = care.clinic.offset_minutes(at).astype("timedelta64[m]")
        day = (at.astype("datetime64[m]") + offset).astype("datetime64[D]")
    night = np.searchsorted(np.array(nights, dtype="datetime64[D]"), day).clip(0, len(nights) - 1)
    if feed == "vitals":
        late = (np.arange(len(night)) % 50 == 7) & (night < len(nights) - 1) & (night > 0)
        night = night + late
    return np.asarray(night)


def _left_out(table: Table) -> Column:
    return np.asarray(table.get("left_out", np.zeros(size(table), dtype=bool)))


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


def _changed(
    brought: pl.DataFrame, feed: str, at: int, frame: pl.DataFrame, table: Table,
    delivered: Column, night: date,
) -> pl.DataFrame:  # fmt: skip
    """What is first delivered wrong, or before a payer thought again, and later corrected."""
    again = _corrected_later(feed, table)
    if again is None:
        return brought
    first = delivered == 0
    if at == 0:
        mark = pl.Series(again[first & ~_left_out(table)])
        wrong = {"chair": 99} if feed == "sessions" else DENIED
        return brought.with_columns(
            pl.when(mark).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
            for name, value in wrong.items()
        )
    if at == 1:
        corrected = frame.filter(pl.Series(again & first))
        return pl.concat(
            [brought, corrected.with_columns(extracted_at=pl.lit(_extracted(night)))],
            how="vertical_relaxed",
        )
    return brought


def _corrected_later(feed: str, table: Table) -> Column | None:
    if feed == "sessions":
        return np.asarray(np.arange(size(table)) % 40 == 11)
    if feed == "charges":
        return np.asarray(table["at_first_denied"])
    return None


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
