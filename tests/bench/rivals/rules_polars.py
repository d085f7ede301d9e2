"""The four conditions as a Polars query written by hand, on frames in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from tests.bench.rivals.conditions import CONDITIONS
from tests.bench.rivals.timing import repeat

KEY = ["clinic_id", "session_id"]


def main() -> None:
    folder, times = Path(sys.argv[1]), int(sys.argv[2])
    frames = {
        feed: pl.read_parquet(folder / f"{feed}.parquet")
        for feed in ("sessions", "vitals", "doses")
    }

    def run() -> dict[str, int]:
        found = by_hand(frames)
        return {**{name: int(found[name].sum()) for name in CONDITIONS}, "sessions": len(found)}

    repeat(run, times)


def by_hand(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a completed session: baseline, one reading per 15 minutes, one at 120, mg/kg."""
    at, start, end = pl.col("measured_at"), pl.col("started_at"), pl.col("ended_at")
    sessions = frames["sessions"].lazy().filter(pl.col("status") == "completed")
    during = (at >= start) & (at <= end)
    widest = pl.max_horizontal(
        at.filter(during).diff().max(),
        at.filter(during).min() - start.first(),
        end.first() - at.filter(during).max(),
    )
    readings = (
        frames["vitals"].lazy().select(*KEY, "measured_at")
        .join(sessions.select(*KEY, "started_at", "ended_at"), on=KEY)
        .sort(*KEY, "measured_at")
        .group_by(KEY)
        .agg(
            baseline=((at >= start - pl.duration(minutes=30)) & (at <= start)).any(),
            every_15=(widest <= pl.duration(minutes=15)).fill_null(value=False),
            at_120=((at >= start + pl.duration(minutes=115))
                    & (at <= start + pl.duration(minutes=125))).any(),
        )
    )  # fmt: skip
    doses = frames["doses"].lazy().group_by(KEY).agg(pl.col("amount_mg").sum())
    per_kg = pl.col("amount_mg") / pl.col("weight_kg")
    return (
        sessions.select(*KEY, "weight_kg")
        .join(readings, on=KEY, how="left")
        .join(doses, on=KEY, how="left")
        .select(*KEY, "baseline", "every_15", "at_120", dose=per_kg.is_between(0.1, 1.0))
        .collect()
    )


if __name__ == "__main__":
    main()
