"""`make bench-rules`: twenty rules to verdicts and reasons, against four conditions by hand.

Every contender runs in a process of its own on the same Parquet files, held in memory; the rounds
alternate, as machines are noisy. Writes raw timings, the ratio of the medians, peak memory and the
commit to docs/bench/. Read the ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.child import ROOT, python, run
from tests.bench.contest import Result, attempt, merged, repeated, same_answer
from tests.bench.machine import commit, machine, versions
from tests.bench.rivals import dbt
from tests.bench.rivals.environments import environment
from tests.bench.rivals.environments import versions as versions_of

VITALS_PER_SESSION, RULES, TARGET = 8, 20, 4
OURS, BY_HAND = "keel", "polars"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rules")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each contender and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--skip", default="", help="rivals to leave out, separated by commas")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(python("tests.bench.synthetic", folder, options.sessions))
        contenders = {
            rival: measure
            for rival, measure in _contenders(folder, options.repeat).items()
            if rival not in options.skip.split(",")
        }
        rounds = [
            {rival: attempt(measure) for rival, measure in contenders.items()}
            for _ in range(options.rounds)
        ]
        results = {rival: merged([each[rival] for each in rounds]) for rival in contenders}
        if options.profile:
            profile = run(python("tests.bench.engine", folder, 1, "--profile"))
            sys.stderr.write("\n".join(line for _, line in profile.lines) + "\n")
    found = report(results, options.sessions)
    target = options.out / f"rules-{options.sessions}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(target.read_text(encoding="utf-8"))


def report(results: dict[str, Result], sessions: int) -> dict[str, object]:
    """Everything raw, and the ratio of the medians."""
    ours, hand = results[OURS], results[BY_HAND]
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions() | {"rivals": _rival_versions(results)},
        "rows": {"sessions": sessions, "vitals": sessions * VITALS_PER_SESSION},
        "rules": RULES,
        "same_answer": same_answer(results),
        "contenders": results,
        "ratio": round(ours["median_seconds"] / hand["median_seconds"], 2),
        "cpu_ratio": round(
            statistics.median(ours["cpu_seconds"]) / statistics.median(hand["cpu_seconds"]), 2
        ),
        "target_ratio": TARGET,
    }


def _contenders(folder: Path, times: int) -> dict[str, Callable[[], Result]]:
    """By name, in the order of a round."""

    def ours(module: str) -> Callable[[], Result]:
        return lambda: repeated(run(python(f"tests.bench.{module}", folder, times)))

    def pandas() -> Result:
        program = environment("pandas") / "python"
        module = "tests.bench.rivals.rules_pandas"
        return repeated(run([program, "-m", module, folder, str(times)]))

    return {
        BY_HAND: ours("rivals.rules_polars"),
        OURS: ours("engine"),
        "duckdb": ours("rivals.rules_duckdb"),
        "pandas": pandas,
        "dbt": lambda: _dbt(folder, times),
    }


def _dbt(folder: Path, times: int) -> Result:
    """Each run is a process: its start-up alone is told beside it."""
    environment("dbt")
    with tempfile.TemporaryDirectory() as name:
        database = Path(name) / "bench.duckdb"
        run(python("tests.bench.rivals.tables", folder, database))
        project = dbt.rules_project(Path(name) / "project", database)
        start_up = dbt.start_up(project)
        runs = [dbt.build(project) for _ in range(times)]
        counts = run(python("tests.bench.rivals.count", database, dbt.MODEL))
    seconds = [round(each.seconds, 3) for each in runs]
    return {
        "seconds": seconds,
        "cpu_seconds": [round(each.cpu_seconds, 3) for each in runs],
        "median_seconds": round(statistics.median(seconds), 3),
        "start_up_seconds": round(start_up.seconds, 2),
        "peak_mb": max(each.peak_mb for each in runs),
        "counts": json.loads(counts.out)["counts"],
    }


def _rival_versions(results: dict[str, Result]) -> dict[str, dict[str, str]]:
    names = [name for name in ("pandas", "dbt") if "counts" in results.get(name, {})]
    return {name: versions_of(name) for name in names}


if __name__ == "__main__":
    main()
