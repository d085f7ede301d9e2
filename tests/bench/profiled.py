"""`python -m tests.bench.profiled`: where a night's time lies, sampled by py-spy.

A sample counts for the innermost function of Keel's on the stack, so that what a library does is
told under whoever asked for it. Writes shares to docs/bench/; seconds under a profiler say little.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.__main__ import bring, extent
from tests.bench.child import ROOT, python, run
from tests.bench.machine import commit, machine
from tests.bench.nights import BLOCKED, DONE, arguments
from tests.bench.rivals.environments import environment

SHOWN = 20
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^()]+)\)")
_OURS = re.compile(r"(?:^|/)((?:flows|checks|protocols)/[\w/]+\.py)")
# What is on the stack says what a sample was for; stages have threads of their own.
PARTS = {
    "imports": ("<frozen importlib._bootstrap>",),
    "Great Expectations": ("great_expectations/",),
    "landing": ("flows/deliveries.py", "flows/intake.py"),
    "loading": ("flows/load.py",),
    "judging": ("flows/judging.py", "flows/judged_buckets.py", "flows/outcomes.py",
                "flows/costs.py", "flows/patient_risk.py", "flows/stock_risk.py",
                "flows/staff_risk.py"),
    "publishing": ("flows/publish.py",),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profiled")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "bench")
    options = parser.parse_args()
    clinics, days = extent(options.sessions)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        network = run(python("tests.bench.network", folder, "--sessions", options.sessions,
                             "--clinics", clinics, "--days", days, "--bring", 0.01))  # fmt: skip
        written = json.loads(network.out)
        full = profile(folder, written["late"]["history_as_of"])
        bring(folder / "late", folder / "landing")
        late = profile(folder, written["as_of"])
    found = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "sessions": written["rows"]["sessions"],
        "full_night": full,
        "late_night": late,
    }
    target = options.out / f"profile-{options.sessions}.json"
    target.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def profile(folder: Path, as_of: str) -> dict[str, Any]:
    """A night under py-spy: shares of its samples by part, and by function."""
    stacks = folder / "stacks.txt"
    run(
        [environment("py-spy") / "py-spy", "record", "--rate", "50", "--nonblocking",
         "--format", "raw", "--output", stacks, "--", *arguments(folder, as_of, "--plain")],
        allowed=(DONE, BLOCKED),
    )  # fmt: skip
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for frames, count in samples(stacks):
        parts[part(frames)] += count
        functions[innermost(frames)] += count
    total = parts.total()
    return {
        "samples": total,
        "parts": {name: round(count / total, 4) for name, count in parts.most_common()},
        "functions": {
            name: round(count / total, 4) for name, count in functions.most_common(SHOWN)
        },
    }


def samples(stacks: Path) -> Iterator[tuple[list[str], int]]:
    """py-spy's raw format: one line is the frames of a stack, outermost first, and its samples."""
    for line in stacks.read_text(encoding="utf-8").splitlines():
        stack, count = line.rsplit(" ", 1)
        yield stack.split(";"), int(count)


def part(frames: list[str]) -> str:
    """The first of `PARTS` that is on the stack."""
    stack = ";".join(frames)
    return next(
        (name for name, signs in PARTS.items() if any(sign in stack for sign in signs)), "the rest"
    )


def innermost(frames: list[str]) -> str:
    """`file: function` of the innermost frame that is Keel's."""
    for frame in reversed(frames):
        found = _FRAME.match(frame)
        ours = found and _OURS.search(found["file"])
        if found and ours:
            return f"{ours[1]}: {found['name']}"
    return "before Keel's first line"


if __name__ == "__main__":
    main()
