"""A clinic's exports: several nights of files, with corrections and late rows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows.demo.calendar import LAST_DAY
from flows.demo.people import Care
from flows.demo.planting import Planting, Truth
from flows.demo.tables import Column, Table, size, written

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


def deliver(landing: Path, care: Care, planting: Planting, file_format: str) -> dict[str, int]:
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
                extracted_at=pl.lit(extracted(night))
            )
            name = f"{feed}_{night}"
            file = f"{care.clinic.clinic_id}/{name}.{file_format}"
            brought = _spoiled(brought, feed, chosen, planting, file)
            brought = _changed(brought, feed, at, frame, table, delivered, night)
            write(brought, landing / care.clinic.clinic_id, name, file_format)
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
    local = at.dtype == np.dtype("datetime64[D]")
    day = at if local else care.first_day + care.days_of(at)
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
            [brought, corrected.with_columns(extracted_at=pl.lit(extracted(night)))],
            how="vertical_relaxed",
        )
    return brought


def _corrected_later(feed: str, table: Table) -> Column | None:
    if feed == "sessions":
        return np.asarray(np.arange(size(table)) % 40 == 11)
    if feed == "charges":
        return np.asarray(table["at_first_denied"])
    return None


def extracted(night: date) -> str:
    """Exports are taken early the next morning."""
    return f"{night + timedelta(days=1)}T11:00:00Z"


def write(frame: pl.DataFrame, folder: Path, name: str, file_format: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if file_format == "parquet":
        frame.write_parquet(folder / f"{name}.parquet")
    else:
        frame.write_csv(folder / f"{name}.csv")
