"""`make bench`: a full night against DuckDB merely loading the same CSVs, in one run.

Writes both raw timings, rows, peak memory and the commit to docs/bench/. Machines are noisy: read
the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from checks.contract import contracts
from flows.demo import write_network

ROOT = Path(__file__).parents[2]
SESSIONS_PER_PATIENT = 8.6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--clinics", type=int, default=30)
    sessions = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        written = write_network(
            folder, clinics=parser.parse_args().clinics,
            patients=round(sessions / SESSIONS_PER_PATIENT), days=120,
        )  # fmt: skip
        writing = time.perf_counter() - started
        rival = bare_load(folder / "landing")
        first = nightly(folder, written.as_of)
        second = nightly(folder, written.as_of)
    found = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": written.rows,
        "demo_seconds": round(writing, 1),
        "bare_load": rival,
        "nightly": first,
        "second_nightly": second,
        "ratio": round(first["seconds"] / rival["seconds"], 2),
    }
    target = ROOT / "docs" / "bench" / f"nightly-{sessions}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(target.read_text(encoding="utf-8"))


def bare_load(landing: Path) -> dict[str, float]:
    """Every CSV of a feed into one table of text, in a fresh database on disk."""
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        with duckdb.connect(str(Path(name) / "bare.duckdb")) as db:
            for feed in contracts():
                files = sorted(str(path) for path in landing.glob(f"*/{feed}_*.csv"))
                db.execute(
                    f"CREATE TABLE {feed} AS SELECT * FROM "
                    "read_csv($files, all_varchar = true, header = true, delim = ',')",
                    {"files": files},
                )
        return {"seconds": round(time.perf_counter() - started, 2)}


def nightly(folder: Path, as_of: datetime) -> dict[str, object]:
    """A night in a process of its own, without Prefect: seconds, seconds per stage, peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "flows", "nightly", "--plain", "--json", "--as-of",
         as_of.isoformat(), "--landing", folder / "landing", "--warehouse", folder / "warehouse",
         "--publish", folder / "published"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 5):
        raise SystemExit(done.stderr)
    told = json.loads(done.stdout)
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return {
        "seconds": round(seconds, 2),
        "stages": told["seconds"],
        "peak_mb": round(peak / 1024),
        "rows": told["rows"],
        "batches": told["batches"],
        "judged": told["judged"],
        "findings": told["findings"],
    }


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout.strip()


if __name__ == "__main__":
    main()
