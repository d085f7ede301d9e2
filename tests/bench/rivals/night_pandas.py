"""The night by hand in pandas: every feed's files read and typed, then the four conditions.

Runs in an environment of its own, so the feeds' types come as JSON:
{feed: {"id": column, "types": {column: type}}}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from tests.bench.rivals.conditions_pandas import counts, four_conditions
from tests.bench.rivals.timing import tell


def main() -> None:
    landing, feeds = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text("utf-8"))
    started = time.perf_counter()
    frames = {feed: read(landing, feed, held) for feed, held in feeds.items()}
    met = four_conditions(frames["sessions"], frames["vitals"], frames["doses"])
    told = counts(met)
    tell(seconds=round(time.perf_counter() - started, 2), counts=told)


def read(landing: Path, feed: str, held: dict[str, Any]) -> pd.DataFrame:
    """A feed's typed rows in force; what cannot be read is null."""
    parts = []
    for path in sorted(landing.glob(f"*/{feed}_*.csv")):
        part = pd.read_csv(path, dtype=str)
        if "clinic_id" not in part.columns:
            part.insert(0, "clinic_id", path.parent.name)
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.sort_values("extracted_at", kind="stable")
    frame = frame.drop_duplicates(["clinic_id", held["id"]], keep="last")
    for column, kind in held["types"].items():
        if column not in frame.columns:
            continue
        if kind in ("timestamp", "date"):
            frame[column] = pd.to_datetime(
                frame[column], format="ISO8601", utc=True, errors="coerce"
            )
        elif kind in ("number", "decimal", "int"):
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
        elif kind == "bool":
            frame[column] = frame[column].map({"true": True, "false": False})
    return frame


if __name__ == "__main__":
    main()
