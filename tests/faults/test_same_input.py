"""The same deliveries give the same marts, byte for byte: any threads, any order of the files."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.faults.conftest import Reference
from tests.faults.marts import mart_hashes
from tests.faults.threaded_night import run

SEED = 20261127


def shuffled(landing: Path, chance: random.Random) -> None:
    """Other names, so that nights find the files in another order; the day in a name stays."""
    for path in sorted(landing.rglob("*.csv")):
        feed, _, day = path.stem.partition("_")
        path.rename(path.with_name(f"{feed}_{chance.randrange(10**6):06d}_{day}.csv"))
    for path in landing.rglob("*.csv"):
        at = chance.randrange(10**9)
        os.utime(path, (at, at))


def same(reference: Reference, work: Path, threads: int, seed: int | None) -> None:
    reference.begun(work, "first")
    if seed is not None:
        shuffled(work / "landing", random.Random(seed))
    run(work, reference.as_of, threads)
    found = mart_hashes(work)
    different = [name for name in reference.marts if found.get(name) != reference.marts[name]]
    assert found == reference.marts, different


def test_one_thread_and_files_in_another_order_change_nothing(
    reference: Reference, tmp_path: Path
) -> None:
    same(reference, tmp_path / "work", 1, SEED)


@pytest.mark.long
@pytest.mark.parametrize(
    ("threads", "seed"), [(1, None), (2, None), (4, None), (2, SEED + 1), (4, SEED + 2)]
)
def test_five_runs_on_one_to_four_threads_change_nothing(
    reference: Reference, tmp_path: Path, threads: int, seed: int | None
) -> None:
    same(reference, tmp_path / "work", threads, seed)
