"""The night as others would write it, over the same CSV files: bare load, SQL, pandas, dbt.

`seconds` of the first three are their work alone, without the interpreter and its imports, which
`process_seconds` has; dbt's are those of its command, as Keel's.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from checks.contract import contracts
from tests.bench.child import Ended, python, run
from tests.bench.contest import Result, attempt
from tests.bench.rivals import dbt
from tests.bench.rivals.environments import environment


def rival_nights(
    landing: Path, *, only: Sequence[str] = (), skip: Sequence[str] = ()
) -> dict[str, Result]:
    """By rival: seconds, peak memory, counts; or why it did not run."""
    contenders: dict[str, Callable[[Path], Result]] = {
        "bare_load": lambda folder: _told(
            run(python("tests.bench.bare_load", landing, folder / "bare.duckdb"))
        ),
        "duckdb": lambda folder: _duckdb(landing, folder),
        "pandas": lambda folder: _pandas(landing, folder),
        "dbt": lambda folder: _dbt(landing, folder),
    }
    found = {}
    for name, measure in contenders.items():
        if name in (only or contenders) and name not in skip:
            with tempfile.TemporaryDirectory() as folder:
                found[name] = attempt(lambda: measure(Path(folder)))  # noqa: B023
    return found


def _duckdb(landing: Path, folder: Path) -> Result:
    ended = run(python("tests.bench.rivals.night_duckdb", landing, folder / "sql.duckdb"))
    return _told(ended)


def _pandas(landing: Path, folder: Path) -> Result:
    types = {
        feed: {"id": held.id_column, "types": {c.name: c.type for c in held.columns}}
        for feed, held in contracts().items()
        if list(landing.glob(f"*/{feed}_*.csv"))
    }
    feeds = folder / "feeds.json"
    feeds.write_text(json.dumps(types), encoding="utf-8")
    program = environment("pandas") / "python"
    ended = run([program, "-m", "tests.bench.rivals.night_pandas", landing, feeds])
    return _told(ended)


def _dbt(landing: Path, folder: Path) -> Result:
    environment("dbt")
    database = folder / "dbt.duckdb"
    project = dbt.night_project(folder / "project", database, landing)
    start_up = dbt.start_up(project)
    ended = dbt.build(project)
    summary = next(line for line in ended.out.splitlines()[::-1] if "TOTAL=" in line)
    counts = run(python("tests.bench.rivals.count", database, dbt.MODEL))
    return {
        **ended.told,
        "start_up_seconds": round(start_up.seconds, 2),
        "summary": summary[summary.index("PASS=") :],
        **json.loads(counts.out),
    }


def _told(ended: Ended) -> Result:
    """What a rival of one process tells: its own seconds, beside those of the process."""
    return {
        "process_seconds": round(ended.seconds, 2),
        "cpu_seconds": round(ended.cpu_seconds, 2),
        "peak_mb": ended.peak_mb,
        **json.loads(ended.out),
    }
