"""`make bench-rules`: twenty rules to verdicts and reasons, against a query of four by hand.

Both run on the same frames in one process, in turn. Writes raw timings, the ratio of the medians,
peak memory and the commit to docs/bench/. Machines are noisy: read the ratio.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from checks.contract import contracts
from protocols.evaluate import Judgement, judge
from protocols.facts import Facts, schema
from protocols.load import load_protocol
from protocols.model import Protocol
from tests.bench.__main__ import commit

ROOT = Path(__file__).parents[2]
CLINICS, SESSIONS_PER_PATIENT = 30, 8
ZONES = ("America/New_York", "America/Chicago", "America/Phoenix")
FIRST = datetime(2025, 1, 6, 15, tzinfo=UTC)
AS_OF = datetime(2027, 1, 1, tzinfo=UTC)
VITALS_AT = np.array([-12, 12, 26, 38, 62, 90, 112, 120])  # minutes from the start
MINUTE = 60_000_000
TWENTY = """\
protocol: bench
version: 1.0.0
title: Twenty rules, as a busy protocol has them
extends: iv-ketamine-depression@1.0.0
rules:
  - {id: two-hours, title: Vital signs at two hours, kind: occurrence, severity: major, tier: T4,
     of: vitals, window: [started_at + 115m, started_at + 125m]}
  - {id: heart-rate-130, title: No heart rate above 130, kind: occurrence, severity: major,
     tier: T4, of: vitals, window: [started_at, started_at + 2h], where: heart_rate_bpm > 130,
     at_most: 0}
  - {id: pressure, title: No systolic pressure above 200, kind: occurrence, severity: critical,
     tier: T4, of: vitals, window: [started_at, started_at + 2h], where: systolic_mmhg > 200,
     at_most: 0}
  - {id: first-reading, title: First reading is of the pressure, kind: occurrence, severity: minor,
     tier: T4, of: vitals, window: [started_at - 60m, null], pick: first,
     where: systolic_mmhg is not null}
  - {id: calmed, title: A high pressure is measured again, kind: response, severity: major,
     tier: T4, trigger: {of: vitals, where: systolic_mmhg > 180},
     then: {of: vitals, where: systolic_mmhg <= 180, within: 60m}}
  - {id: dose-change, title: Dose raised by at most a half, kind: change, severity: minor, tier: T4,
     expr: dose_mg, max_increase_pct: 50}
"""
OWN = 6
# Of the library's rules those that have been measured since the first bench.
LIBRARYS = frozenset({
    "dose-per-kg", "weight-charted", "infusion-time", "baseline-vitals", "fit-to-start",
    "vitals-during-infusion", "vitals-during-recovery", "oxygen-saturation", "observation-time",
    "fit-to-leave", "escort-confirmed", "sessions-per-week", "score-before-course",
    "score-after-induction",
})  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rules")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    options = parser.parse_args()
    facts = synthetic(options.sessions)
    protocol = twenty()
    by_hand(facts), judge([protocol], facts)  # warm
    rival = measured(lambda: by_hand(facts), options.repeat)
    engine = measured(lambda: judge([protocol], facts), options.repeat)
    found = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Polars {pl.__version__}",
        "rows": {"sessions": options.sessions, "vitals": options.sessions * len(VITALS_AT)},
        "rules": len(protocol.rules),
        **told(judge([protocol], facts)),
        "rival_four_conditions": rival,
        "engine": engine,
        "ratio": round(engine["median_seconds"] / rival["median_seconds"], 2),
        "target_ratio": 4,
    }
    target = ROOT / "docs" / "bench" / f"rules-{options.sessions}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(target.read_text(encoding="utf-8"))
    if options.profile:
        profiler = cProfile.Profile()
        profiler.runcall(judge, [protocol], facts)
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)


def twenty() -> Protocol:
    """Fourteen of the library's rules and six more."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "twenty.yaml"
        path.write_text(TWENTY, encoding="utf-8")
        protocol = load_protocol(path)
    own = {rule.id for rule in protocol.rules[-OWN:]}
    rules = tuple(rule for rule in protocol.rules if rule.id in LIBRARYS | own)
    assert len(rules) == 20
    return protocol.model_copy(update={"rules": rules})


def measured(run: Callable[[], object], times: int) -> dict[str, Any]:
    """Seconds of each run and their median, and the process's peak memory after them."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(round(time.perf_counter() - started, 3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": seconds, "median_seconds": statistics.median(seconds), "peak_mb": peak}


def told(judgement: Judgement) -> dict[str, int]:
    """How much was said, so that nobody is measured on saying nothing."""
    statuses = judgement.verdicts["status"].cast(pl.String).value_counts().sort("status")
    return {
        "verdicts": len(judgement.verdicts),
        "reasons": len(judgement.words),
        **dict(statuses.iter_rows()),
    }


def by_hand(facts: Facts) -> pl.DataFrame:
    """Four conditions per session: baseline, one reading per 15 minutes, one at 120, mg/kg."""
    at, start, end = pl.col("measured_at"), pl.col("started_at"), pl.col("ended_at")
    key = ["clinic_id", "session_id"]
    sessions = facts.frames["sessions"].filter(pl.col("status") == "completed")
    during = (at >= start) & (at <= end)
    widest = pl.max_horizontal(
        at.filter(during).diff().max(),
        at.filter(during).min() - start.first(),
        end.first() - at.filter(during).max(),
    )
    readings = (
        facts.frames["vitals"].select(*key, "measured_at")
        .join(sessions.select(*key, "started_at", "ended_at"), on=key)
        .sort(*key, "measured_at")
        .group_by(key)
        .agg(
            baseline=((at >= start - pl.duration(minutes=30)) & (at <= start)).any(),
            every_15=(widest <= pl.duration(minutes=15)).fill_null(value=False),
            at_120=((at >= start + pl.duration(minutes=115))
                    & (at <= start + pl.duration(minutes=125))).any(),
        )
    )  # fmt: skip
    doses = facts.frames["doses"].group_by(key).agg(pl.col("amount_mg").sum())
    per_kg = pl.col("amount_mg") / pl.col("weight_kg")
    return (
        sessions.select(*key, "weight_kg")
        .join(readings, on=key, how="left")
        .join(doses, on=key, how="left")
        .select(*key, "baseline", "every_15", "at_120", dose=per_kg.is_between(0.1, 1.0))
        .collect()
    )


def synthetic(sessions: int) -> Facts:
    """A network whose sessions mostly go well; of each thing about one in thirty does not."""
    rng = np.random.default_rng(1)
    number = np.arange(sessions)
    patient = number // SESSIONS_PER_PATIENT
    clinic = pl.Series("clinic_id", [f"c{at:02}" for at in range(CLINICS)])[patient % CLINICS]
    rare = [rng.random(sessions) < 1 / 30 for _ in range(6)]
    day = (number % SESSIONS_PER_PATIENT) * 4 + patient % 200
    start = np.datetime64(FIRST.replace(tzinfo=None), "us") + day.astype("timedelta64[D]")
    start = start + rng.integers(0, 300, sessions) * np.timedelta64(MINUTE, "us")
    ids = pl.select(pl.format("s{}", pl.lit(pl.Series(number)))).to_series()
    patients = pl.select(pl.format("p{}", pl.lit(pl.Series(patient)))).to_series()
    minutes = np.timedelta64(MINUTE, "us")
    head = {"clinic_id": clinic, "session_id": ids, "patient_id": patients}
    weight = rng.integers(50, 110, sessions).astype(float)
    frames = {
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
    cutoffs = pl.DataFrame(
        [{"clinic_id": f"c{at:02}", "feed": feed, "cutoff": AS_OF}
         for at in range(CLINICS) for feed in contracts()]
    )  # fmt: skip
    names = ("clinic_id", "feed", "session_id", "patient_id")
    return Facts(
        {feed: _typed(feed, frames.get(feed)) for feed in contracts()},
        cutoffs, pl.DataFrame(schema=dict.fromkeys(names, pl.String)), AS_OF,
    )  # fmt: skip


def _vitals(head: dict[str, pl.Series], start: Any, rng: np.random.Generator) -> pl.DataFrame:
    each = len(VITALS_AT)
    total = len(start) * each
    at = np.tile(VITALS_AT, len(start)) + rng.integers(-1, 2, total)
    at = at + np.where(rng.random(total) < 1 / 40, 20, 0)  # now and then one comes late
    index = np.repeat(np.arange(len(start)), each)
    return pl.DataFrame({
        "clinic_id": head["clinic_id"][index], "session_id": head["session_id"][index],
        "vital_id": pl.select(pl.format("v{}", pl.int_range(total))).to_series(),
        "measured_at": np.repeat(start, each) + at * np.timedelta64(MINUTE, "us"),
        "systolic_mmhg": rng.normal(130, 18, total).round(), "diastolic_mmhg": [80.0] * total,
        "heart_rate_bpm": rng.normal(80, 14, total).round(),
        "spo2_pct": np.minimum(100, rng.normal(97, 2, total)).round(),
    }).sample(fraction=1.0, shuffle=True, seed=1)  # fmt: skip


def _typed(feed: str, frame: pl.DataFrame | None) -> pl.LazyFrame:
    """A feed's frame with every column of its contract."""
    types = schema(contracts()[feed])
    if frame is None:
        return pl.LazyFrame(schema=types)
    columns = [
        (pl.col(name).dt.replace_time_zone("UTC") if frame.schema[name] == pl.Datetime("us")
         else pl.col(name).cast(kind)) if name in frame.columns
        else pl.lit(None, kind).alias(name)
        for name, kind in types.items()
    ]  # fmt: skip
    return frame.select(columns).lazy()


if __name__ == "__main__":
    main()
