"""Where and when the sample network works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

LAST_DAY = date(2026, 10, 31)
ZONES = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Los_Angeles")
NAMES = (
    "Harbor", "Lakeside", "Mesa", "Beacon", "Prairie", "Saguaro", "Juniper", "Riverbend",
    "Summit", "Cedar", "Aspen", "Willow",
)  # fmt: skip
STATES = dict(zip(ZONES, ("NY", "IL", "AZ", "CA"), strict=True))

Minutes = NDArray[np.int64]


@dataclass(frozen=True)
class Clinic:
    """One clinic and its habits. `chairs` it has at least. `style` is how it writes times: local,
    offset or z; `carelessness` is how many sessions, at least, break each rule where there is
    room."""

    clinic_id: str
    name: str
    zone: str
    chairs: int
    style: str
    carelessness: int

    @property
    def state(self) -> str:
        """Where it lies."""
        return STATES[self.zone]

    def written(self, at_utc: NDArray[Any]) -> pl.Series:
        """Instants as the clinic's system writes them, to the minute; NaT is null."""
        at = pl.Series(at_utc.astype("datetime64[ms]"))
        if self.style == "z":
            return at.dt.to_string("%Y-%m-%dT%H:%M:%SZ")
        known = ~np.isnat(at_utc)
        offsets = np.zeros(at_utc.shape, dtype=np.int64)
        offsets[known] = self.offset_minutes(at_utc[known])
        wall = at_utc.astype("datetime64[m]") + offsets.astype("timedelta64[m]")
        local = pl.Series(wall.astype("datetime64[ms]")).dt.to_string("%Y-%m-%dT%H:%M")
        return local + _offset_texts(offsets) if self.style == "offset" else local

    def offset_minutes(self, at_utc: NDArray[Any]) -> Minutes:
        """Offset from UTC of each instant by daylight, looked up by the day; eight hours earlier
        it is the same day in Greenwich as it is here."""
        earlier = at_utc.astype("datetime64[m]") - np.timedelta64(8, "h")
        days, index = np.unique(earlier.astype("datetime64[D]"), return_inverse=True)
        zone = ZoneInfo(self.zone)
        noon = [datetime.combine(day, time(18), UTC) for day in days.tolist()]
        found = [int(_offset(at, zone).total_seconds()) // 60 for at in noon]
        return np.array(found, dtype=np.int64)[index]

    def instants(self, days: NDArray[Any], minute_of_day: Minutes) -> NDArray[Any]:
        """UTC instants of a minute of local days; the network is open by day only, when clocks
        never change."""
        noon = days.astype("datetime64[m]") + np.timedelta64(18 * 60, "m")
        offsets = self.offset_minutes(noon).astype("timedelta64[m]")
        moments: NDArray[Any] = (
            days.astype("datetime64[m]") + minute_of_day.astype("timedelta64[m]") - offsets
        )
        return moments


def network_clinics(count: int) -> list[Clinic]:
    """The first so many clinics; four time zones, one without summer time, three ways to write
    times."""
    return [
        Clinic(
            clinic_id=f"c{at + 1:02d}",
            name=f"{NAMES[at % len(NAMES)]} Clinic"
            + (f" {at // len(NAMES) + 1}" if at >= len(NAMES) else ""),
            zone=ZONES[at % 4],
            chairs=4 + at % 3,
            style=("local", "offset", "z")[at % 3],
            carelessness=(1, 3, 0, 6, 2, 4)[at % 6],
        )
        for at in range(count)
    ]


def end_of_last_day() -> datetime:
    """When the sample is judged: everything of its last day has been delivered."""
    return datetime.combine(LAST_DAY + timedelta(days=1), time(12), UTC)


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _offset_texts(offsets: Minutes) -> pl.Series:
    known, index = np.unique(offsets, return_inverse=True)
    texts = [f"{'-' if m < 0 else '+'}{abs(m) // 60:02d}:{abs(m) % 60:02d}" for m in known.tolist()]
    return pl.Series(texts).gather(index)
