"""A night in a process of its own: seconds, seconds by stage, peak memory, judged and skipped."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.bench.child import Ended, python, run

DONE, BLOCKED = 0, 5
FIRST_STAGE = " land"
STAGES = ("land", "load", "judge", "publish")  # `validate` lies within `load`
# Whatever a night imports, in an interpreter that does nothing else.
IMPORTS = (
    "flows.cli", "flows.night", "flows.story", "flows.publish", "flows.reports.html",
    "great_expectations", "great_expectations.expectations", "duckdb_engine", "vl_convert",
)  # fmt: skip


def nightly(folder: Path, as_of: str) -> dict[str, object]:
    """A night over `folder/landing`, without Prefect."""
    ended = command(folder, as_of, "--plain")
    told = json.loads(ended.out)
    judged, skipped = told["judged"], told["skipped"]
    stages = told["seconds"]
    return {
        **ended.told,
        "stages": stages,
        "stage_seconds": round(sum(stages[name] for name in STAGES), 2),
        "great_expectations_share": round(stages.get("validate", 0) / ended.seconds, 4),
        "rows": told["rows"],
        "batches": told["batches"],
        "judged": judged,
        "skipped": skipped,
        "share_judged": round(judged / max(1, judged + skipped), 4),
        "findings": told["findings"],
        "first_line_seconds": ended.first(),
        "first_stage_seconds": ended.first(FIRST_STAGE),
    }


def command(folder: Path, as_of: str, *more: str, env: Mapping[str, str] | None = None) -> Ended:
    """`keel nightly` as a person would run it."""
    return run(arguments(folder, as_of, *more), env=env, allowed=(DONE, BLOCKED))


def arguments(folder: Path, as_of: str, *more: str) -> list[str]:
    """The command of a night over `folder/landing`."""
    return python(
        "flows", "nightly", "--json", "--as-of", as_of, "--landing", folder / "landing",
        "--warehouse", folder / "warehouse", "--publish", folder / "published", *more,
    )  # fmt: skip


def imports() -> Ended:
    """The interpreter and everything that a night imports, and nothing else: the start-up."""
    return run([sys.executable, "-c", f"import {', '.join(IMPORTS)}"])
