"""Writes the bench's network in a process of its own, and holds back what a later night brings."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from flows.demo import write_network
from tests.bench.splitting import split

SESSIONS_PER_PATIENT = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.network")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--clinics", type=int, required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--bring", type=float, required=True)
    options = parser.parse_args()
    started = time.perf_counter()
    written = write_network(
        options.folder, clinics=options.clinics, days=options.days,
        patients=max(1, round(options.sessions / SESSIONS_PER_PATIENT)),
    )  # fmt: skip
    writing = time.perf_counter() - started
    landing = options.folder / "landing"
    late = split(landing, options.folder / "late", written.as_of, options.bring)
    told = {
        "rows": written.rows,
        "demo_seconds": round(writing, 1),
        "csv_mb": sum(path.stat().st_size for path in landing.rglob("*.csv")) // 2**20,
        "as_of": written.as_of.isoformat(),
        "late": {
            "from_day": late.day.isoformat(),
            "share_of_sessions": round(late.share, 5),
            "sessions": late.sessions,
            "rows": late.late_rows,
            "clinics": len(late.clinics),
            "history_as_of": late.as_of.isoformat(),
        },
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
