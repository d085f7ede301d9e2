"""`make bench`: nights over a sample network, against DuckDB merely loading the same CSVs.

Writes both raw timings, rows, peak memory and the commit to docs/bench/. Machines are noisy: read
the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from checks.contract import contracts
from flows.demo import write_network
from tests.bench.nights import measure

ROOT = Path(__file__).parents[2]
SESSIONS_PER_PATIENT = 8.0


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
        nights = measure(folder, written.as_of)
    found = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": written.rows,
        "demo_seconds": round(writing, 1),
        "bare_load": rival,
        **nights,
        "ratio": round(nights["nightly"]["seconds"] / rival["seconds"], 2),
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


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout.strip()


if __name__ == "__main__":
    main()
