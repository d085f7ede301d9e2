"""`make bench`: nights in processes of their own, against others on the same CSVs, in one run.

The network is written and split; the rivals load the history; then come the full night, the bare
load once more (machines are noisy), a night that brings nothing, and one that brings about 1 % of
the sessions. Writes raw timings, rows, peak memory and the commit to docs/bench/. Read the ratios.
With `--folder` a run that was broken off goes on there; `--skip` leaves out rivals, and nights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.child import ROOT, python, run
from tests.bench.contest import Result, same_answer
from tests.bench.machine import commit, machine, versions
from tests.bench.nights import imports, nightly
from tests.bench.prefect_nights import with_prefect
from tests.bench.rival_nights import rival_nights
from tests.bench.rivals.environments import versions as versions_of

TARGETS = {
    "full_to_bare_load": 6,
    "late_to_full_start_up_apart": 0.05,
    "late_share_judged": 0.03,
    "great_expectations_share": 0.15,
    "first_line_seconds": 2,
    "first_stage_seconds": 15,
    "first_stage_seconds_running_server": 4,
}


def main() -> None:
    options = arguments()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        found = measure(options.folder, options)
    else:
        with tempfile.TemporaryDirectory(dir=options.scratch) as name:
            found = measure(Path(name), options)
    target = options.out / f"nightly-{options.sessions}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(target.read_text(encoding="utf-8"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--clinics", type=int, help="else as many as hold the sessions in 120 days")
    parser.add_argument("--days", type=int, help="else 120, and more for more than 30 clinics hold")
    parser.add_argument("--bring", type=float, default=0.01, help="share of the sessions held back")
    parser.add_argument("--skip", default="", help="what to leave out, separated by commas: "
                        "rivals, bare_load_again, night_with_nothing, late_night")  # fmt: skip
    parser.add_argument("--no-prefect", action="store_true", help="leave out starts with Prefect")
    parser.add_argument("--scratch", type=Path, help="where to write the network")
    parser.add_argument("--folder", type=Path, help="the same, to stay there and be gone on with")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench")
    return parser.parse_args()


class Steps:
    """What was measured in a folder, each step kept when it ends and not done again."""

    def __init__(self, path: Path, skip: Sequence[str]) -> None:
        self._path, self._skip = path, skip
        self.found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def do(self, name: str, step: Callable[[], Any]) -> Any:
        """What the step gives; nothing where it is left out."""
        if name in self._skip:
            return {}
        if name not in self.found:
            self.found[name] = step()
            self._path.write_text(json.dumps(self.found, indent=2), encoding="utf-8")
        return self.found[name]


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole run, in the order of the module's first words."""
    skip = options.skip.split(",")
    steps = Steps(folder / "found.json", skip)
    started = steps.do("measured_at", lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    measured = steps.do("commit", commit)
    clinics, days = extent(options.sessions)
    written = steps.do("network", lambda: json.loads(
        run(python("tests.bench.network", folder, "--sessions", options.sessions,
                   "--clinics", options.clinics or clinics, "--days", options.days or days,
                   "--bring", options.bring)).out
    ))  # fmt: skip
    rivals = steps.do("rivals", lambda: rival_nights(folder / "landing", skip=skip))
    before = written["late"]["history_as_of"]
    starts = steps.do("start_up", lambda: {
        "version_seconds": _median(lambda: run(python("flows", "--version")).seconds),
        "imports_seconds": _median(lambda: imports().seconds),
        "imports_cpu_seconds": _median(lambda: imports().cpu_seconds),
    })  # fmt: skip
    full = steps.do("full_night", lambda: nightly(folder, before))
    if "bare_load" in rivals:
        again = steps.do("bare_load_again", lambda: rival_nights(
            folder / "landing", only=["bare_load"])["bare_load"])  # fmt: skip
        rivals |= {"bare_load_again": again} if again else {}
    nothing = steps.do("night_with_nothing", lambda: nightly(folder, before))

    def bring_more() -> dict[str, object]:
        bring(folder / "late", folder / "landing")
        return nightly(folder, written["as_of"])

    late = steps.do("late_night", bring_more)
    prefect = {} if options.no_prefect else with_prefect(folder, written["as_of"])
    return {
        "measured_at": started,
        "commit": measured,
        "machine": machine(),
        "versions": versions() | {"rivals": _rival_versions(rivals)},
        **written,
        "start_up": starts,
        "rivals": rivals,
        "same_answer": same_answer(rivals) if any("counts" in r for r in rivals.values()) else {},
        "full_night": full,
        "night_with_nothing": nothing,
        "late_night": late,
        "prefect": prefect,
        "ratios": ratios(full, late, rivals, "seconds", starts["imports_seconds"]),
        "cpu_ratios": ratios(full, late, rivals, "cpu_seconds", starts["imports_cpu_seconds"]),
        "targets": TARGETS,
    }


def extent(sessions: int) -> tuple[int, int]:
    """Clinics and days of a network: about 28 sessions a clinic and day; from 30 clinics on it has
    a longer history, up to three years, and then more clinics.
    """
    clinic_days = max(360, sessions // 28)
    days = min(1_200, max(120, clinic_days // 30))
    return max(3, clinic_days // days), days


def bring(late: Path, landing: Path) -> None:
    """What was held back is delivered, in files of its own."""
    for path in sorted(late.glob("*/*")):
        target = landing / path.parent.name / path.name
        if target.exists():
            raise SystemExit(f"{target.name}: was delivered before; the split must name it anew.")
        shutil.move(path, target)


def ratios(
    full: dict[str, Any], late: dict[str, Any], rivals: dict[str, Result], of: str, start_up: float
) -> dict[str, float]:
    """Ours by the rival's, `of` seconds by the clock or of the processor. Start-up is what an
    interpreter takes that only imports what a night imports."""
    took = {name: rival[of] for name, rival in rivals.items() if of in rival}
    if "bare_load_again" in took:
        took["bare_load"] = statistics.mean([took["bare_load"], took.pop("bare_load_again")])
    to_rivals = {f"full_to_{name}": round(full[of] / each, 2) for name, each in took.items()}
    if not late:
        return to_rivals
    return {
        **to_rivals,
        "late_to_full": round(late[of] / full[of], 4),
        "late_to_full_start_up_apart": round((late[of] - start_up) / (full[of] - start_up), 4),
    }


def _median(seconds: Callable[[], float]) -> float:
    return round(statistics.median(seconds() for _ in range(3)), 2)


def _rival_versions(rivals: dict[str, Result]) -> dict[str, dict[str, str]]:
    names = [name for name in ("pandas", "dbt") if "counts" in rivals.get(name, {})]
    return {name: versions_of(name) for name in names}


if __name__ == "__main__":
    main()
