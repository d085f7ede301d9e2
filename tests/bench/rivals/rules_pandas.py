"""The four conditions in pandas, on frames in memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from tests.bench.rivals.conditions_pandas import counts, four_conditions
from tests.bench.rivals.timing import repeat


def main() -> None:
    folder, times = Path(sys.argv[1]), int(sys.argv[2])
    sessions, vitals, doses = (
        pd.read_parquet(folder / f"{feed}.parquet") for feed in ("sessions", "vitals", "doses")
    )
    repeat(lambda: counts(four_conditions(sessions, vitals, doses)), times)


if __name__ == "__main__":
    main()
