"""A network's first night, one that brings nothing and one that brings the last day, each in a
process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from flows.demo.calendar import LAST_DAY

ROOT = Path(__file__).parents[2]


def measure(folder: Path, as_of: datetime, *, serve_prefect: bool = True) -> dict[str, Any]:
    """All nights over `folder/landing`, which a demo network was written to."""
    hold_back(folder)
    day_before = as_of - timedelta(days=1)
    found = {
        "nightly": nightly(folder, day_before),
        "night_with_nothing": nightly(folder, day_before),
    }
    put_back(folder)
    found["night_of_the_last_day"] = nightly(folder, as_of)
    if serve_prefect:
        found["night_with_prefect"] = nightly(folder, as_of, "--no-plain")
    return found | {"shares": shares(found["nightly"], found["night_of_the_last_day"])}


def hold_back(folder: Path) -> None:
    """Take the files of the last delivery out of the landing folder."""
    for path in sorted((folder / "landing").rglob(f"*_{LAST_DAY}.*")):
        target = folder / "aside" / path.relative_to(folder / "landing")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def put_back(folder: Path) -> None:
    """Deliver them."""
    for path in sorted((folder / "aside").rglob(f"*_{LAST_DAY}.*")):
        path.rename(folder / "landing" / path.relative_to(folder / "aside"))


def shares(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """What the last day's night brought, judged and took of the first one's; start-up is what lies
    outside the stages."""
    return {
        "rows_brought": round(_sum(last["rows"]) / _sum(first["rows"]), 4),
        "judged": round(last["judged"] / (last["judged"] + last["skipped"]), 4),
        "stage_seconds": round(last["stage_seconds"] / first["stage_seconds"], 4),
        "validate_of_first_night": round(first["stages"]["validate"] / first["seconds"], 4),
    }


def nightly(folder: Path, as_of: datetime, *more: str) -> dict[str, Any]:
    """One night: seconds, until its first lines, by stage; peak memory; what it did."""
    plain = [] if "--no-plain" in more else ["--plain"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "flows", "nightly", *plain, "--json", "--as-of", as_of.isoformat(),
         "--landing", folder / "landing", "--warehouse", folder / "warehouse",
         "--publish", folder / "published"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[tuple[float, str]] = []
    for line in process.stderr:
        lines.append((time.perf_counter() - started, line))
    told_text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 5):
        raise SystemExit("".join(line for _, line in lines))
    told = json.loads(told_text)
    stages = told["seconds"]
    return {
        "seconds": round(seconds, 2),
        "stage_seconds": round(sum(stages[n] for n in ("land", "load", "judge", "publish")), 2),
        "seconds_to_first_line": round(lines[0][0], 2),
        "seconds_to_first_stage": round(
            next(at for at, line in lines if "land" in line and "starts" not in line), 2
        ),
        "stages": stages,
        "peak_mb": round(usage.ru_maxrss / 1024),
        **{name: told[name] for name in ("rows", "batches", "judged", "skipped", "findings")},
    }


def _sum(rows: dict[str, int]) -> int:
    return sum(rows.values())
