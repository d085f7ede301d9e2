"""`make mutants`: each mistake is made in a copy of the tree, and the tests must fail there.

Writes docs/bench/mutants.txt: mutant, the test that caught it, seconds. Ends with 1 if any lives.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("checks", "protocols", "flows", "sql", "tests", "pyproject.toml")
# The quickest first; a failure that hypothesis finds is shrunk, which takes its time.
TESTS = (
    ("tests/test_oracle.py", "larger and {0}"),
    ("tests/protocols/test_library.py", ""),
    ("tests/test_oracle.py", "oracle_finds and {0}"),
)


def main() -> int:
    lines, living = [], 0
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name)
        for entry in COPIED:
            source = ROOT / entry
            if source.is_dir():
                shutil.copytree(source, tree / entry,
                                ignore=shutil.ignore_patterns("__pycache__"))  # fmt: skip
            else:
                shutil.copy(source, tree / entry)
        for number, mutant in enumerate(MUTANTS, start=1):
            started = time.perf_counter()
            caught = catch(tree, mutant)
            living += caught is None
            seconds = time.perf_counter() - started
            wrong = " ".join(mutant.wrong.split()) or "(nothing)"
            line = f"{number:3} {mutant.kind:<10} {caught or 'LIVES':<70} {seconds:5.1f} s  {wrong}"
            lines.append(line)
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    told = f"{len(MUTANTS)} mutants, {len(MUTANTS) - living} caught, {living} live"
    sys.stdout.write(told + "\n")
    target = ROOT / "docs" / "bench" / "mutants.txt"
    target.write_text("\n".join([told, *lines]) + "\n", encoding="utf-8")
    return 1 if living else 0


def catch(tree: Path, mutant: Mutant) -> str | None:
    """The test that fails with the mistake in place, by an assertion; None if none does."""
    path = tree / "protocols" / mutant.file
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace(mutant.right, mutant.wrong), encoding="utf-8")
    try:
        return next(
            (failed for file, which in TESTS
             if (failed := _failing(tree, file, which.format(mutant.kind)))), None,
        )  # fmt: skip
    finally:
        path.write_text(right, encoding="utf-8")


def _failing(tree: Path, file: str, which: str) -> str | None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", file, "-k", which],
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    return failed[1] if failed and "AssertionError" in done.stdout else None


if __name__ == "__main__":
    raise SystemExit(main())
