"""Facts for the twenty rules: a network whose sessions mostly go well, as Parquet for everyone."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from checks.contract import contracts
from protocols.facts import Facts, schema
from protocols.sentences import sentence

CLINICS, SESSIONS_PER_PATIENT = 30, 8
ZONES = ("America/New_York", "America/Chicago", "America/Phoenix")
FIRST = datetime(2025, 1, 6, 15, tzinfo=UTC)
AS_OF = datetime(2027, 1, 1, tzinfo=UTC)
VITALS_AT = np.array([-12, 12, 26, 38, 62, 90, 112, 120])  # minutes from the start
MINUTE = 60_000_000


def main() -> None:
    """`python -m tests.bench.synthetic FOLDER SESSIONS`."""
    folder, sessions = Path(sys.argv[1]), int(sys.argv[2])
    for feed, frame in synthetic(sessions).items():
        _typed(feed, frame).write_parquet(folder / f"{feed}.parquet")


def read(folder: Path) -> Facts:
    """What was written, in memory."""
    frames = {
        feed: pl.read_parquet(path).lazy() if (path := folder / f"{feed}.parquet").exists()
        else pl.LazyFrame(schema=schema(held))
        for feed, held in contracts().items()
    }  # fmt: skip
    cutoffs = pl.DataFrame(
        [{"clinic_id": f"c{at:02}", "feed": feed, "cutoff": AS_OF}
         for at in range(CLINICS) for feed in contracts()]
    )  # fmt: skip
    names = ("clinic_id", "feed", "session_id", "patient_id")
    quarantined = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return Facts(frames, cutoffs, quarantined, AS_OF)


def synthetic(sessions: int) -> dict[str, pl.DataFrame]:
    """A network whose sessions mostly go well; of each thing about one in thirty does not."""
    rng = np.random.default_rng(1)
    number = np.arange(sessions)
    patient = number // SESSIONS_PER_PATIENT
    clinic = pl.Series("clinic_id", [f"c{at:02}" for at in range(CLINICS)])[patient % CLINICS]
    rare = [rng.random(sessions) < 1 / 30 for _ in range(6)]
    day = (number % SESSIONS_PER_PATIENT) * 4 + patient % 200
    start = np.datetime64(FIRST.replace(tzinfo=None), "us") + day.astype("timedelta64[D]")
    start = start + rng.integers(0, 300, sessions) * np.timedelta64(MINUTE, "us")
    ids = pl.select(sentence("s{}", pl.lit(pl.Series(number)))).to_series()
    patients = pl.select(sentence("p{}", pl.lit(pl.Series(patient)))).to_series()
    minutes = np.timedelta64(MINUTE, "us")
    head = {"clinic_id": clinic, "session_id": ids, "patient_id": patients}
    weight = rng.integers(50, 110, sessions).astype(float)
    return {
        "clinics": pl.DataFrame({
            "clinic_id": [f"c{at:02}" for at in range(CLINICS)], "name": ["Clinic"] * CLINICS,
            "time_zone": [ZONES[at % len(ZONES)] for at in range(CLINICS)],
        }),
        "patients": pl.DataFrame(head).select("clinic_id", "patient_id").unique(),
        "sessions": pl.DataFrame({
            **head, "program": ["iv_ketamine"] * sessions, "status": ["completed"] * sessions,
            "started_at": start, "ended_at": start + np.where(rare[0], 75, 40) * minutes,
            "monitoring_ended_at": start + 120 * minutes, "ready_at": start + 121 * minutes,
            "discharged_at": start + np.where(rare[1], 70, 125) * minutes, "weight_kg": weight,
            "escort_confirmed": ~rare[2],
        }),
        "doses": pl.DataFrame({
            **head, "dose_id": ids, "drug": ["ketamine"] * sessions, "started_at": start,
            "amount_mg": weight * np.where(rare[3], 1.2, 0.5),
        }),
        "vitals": _vitals(head, start, rng),
        "outcomes": pl.DataFrame({
            **head, "outcome_id": ids, "instrument": ["PHQ-9"] * sessions,
            "administered_at": start - 600 * minutes, "total": rng.integers(0, 28, sessions),
        }).filter(pl.Series(~rare[4])),
    }  # fmt: skip


def _vitals(head: dict[str, pl.Series], start: Any, rng: np.random.Generator) -> pl.DataFrame:
    each = len(VITALS_AT)
    total = len(start) * each
    at = np.tile(VITALS_AT, len(start)) + rng.integers(-1, 2, total)
    at = at + np.where(rng.random(total) < 1 / 40, 20, 0)  # now and then one comes late
    index = np.repeat(np.arange(len(start)), each)
    return pl.DataFrame({
        "clinic_id": head["clinic_id"][index], "session_id": head["session_id"][index],
        "vital_id": pl.select(sentence("v{}", pl.int_range(total))).to_series(),
        "measured_at": np.repeat(start, each) + at * np.timedelta64(MINUTE, "us"),
        "systolic_mmhg": rng.normal(130, 18, total).round(), "diastolic_mmhg": [80.0] * total,
        "heart_rate_bpm": rng.normal(80, 14, total).round(),
        "spo2_pct": np.minimum(100, rng.normal(97, 2, total)).round(),
    }).sample(fraction=1.0, shuffle=True, seed=1)  # fmt: skip


def _typed(feed: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A feed's frame with every column of its contract."""
    return frame.select(
        (pl.col(name).dt.replace_time_zone("UTC") if frame.schema[name] == pl.Datetime("us")
         else pl.col(name).cast(kind)) if name in frame.columns
        else pl.lit(None, kind).alias(name)
        for name, kind in schema(contracts()[feed]).items()
    )  # fmt: skip


if __name__ == "__main__":
    main()
