"""`make mutants`: each mutant of the engine makes a test fail, by an assertion.

Works in a copy of the tree. Writes docs/bench/mutants.txt.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.mutants.mutants import ROOT, Mutant, mutants

BENCH = ROOT / "docs" / "bench" / "mutants.txt"
COPIED = ("checks", "protocols", "flows", "sql", "tests", "pyproject.toml")
TESTS = ("tests/spec", "tests/test_oracle.py", "tests/protocols/test_library.py")
SECONDS = 600
MUTANTS = mutants()
LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, without compiled files, which could hide a change."""
    copy = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def caught() -> Iterator[list[str]]:
    """A line for each mutant that was caught."""
    lines: list[str] = []
    yield lines
    if len(lines) == len(MUTANTS):
        head = f"{len(MUTANTS)} mutants of the engine, each caught. `make mutants` runs them.\n"
        BENCH.write_text(head + "mutant | caught by | seconds\n\n" + "\n".join(lines) + "\n")


@pytest.mark.long
def test_the_tests_pass_without_a_mutant(tree: Path) -> None:
    assert first_failure(tree) is None


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_test_catches_the_mutant(mutant: Mutant, tree: Path, caught: list[str]) -> None:
    source = tree / mutant.file
    source.write_text(mutant.mutated())
    began = time.perf_counter()
    try:
        failure = first_failure(tree)
    finally:
        source.write_text(mutant.source())
    assert failure is not None, "it survives"
    test, message = failure
    assert message.startswith(("AssertionError", "assert ")), message
    line = f"{mutant.name} | {test} | {time.perf_counter() - began:.0f}"
    LOG.info(line)
    caught.append(line)


def first_failure(tree: Path) -> tuple[str, str] | None:
    """The first test that fails there and the message of its failure, or None."""
    report = tree / "report.xml"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider",
         f"--junitxml={report}", *TESTS],
        cwd=tree, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    for case in ElementTree.parse(report).iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            where = str(case.get("classname")).removeprefix("tests.").replace(".", "/")
            return f"{where}::{case.get('name')}", problem.get("message") or problem.tag
    assert done.returncode == 0, done.stdout
    return None
