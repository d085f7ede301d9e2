"""kill -9 at random moments, then the night again: the marts of an undisturbed run.

Half of the nights that are killed are a warehouse's first, half its second. `make faults` kills two
hundred, and keeps a line on each in docs/bench/kills.txt.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from checks.contract import contracts
from flows.recovery import adds_up
from flows.warehouse import open_warehouse
from tests.bench.child import ROOT
from tests.faults.conftest import STAGES, Reference

KILLS_PER_STAGE = 50
LEAST_PER_STAGE = 10
SEED = 20261123
LOG = ROOT / "docs" / "bench" / "kills.txt"


@pytest.mark.parametrize("stage", ["load", "publish"])
def test_killed_at_any_moment_and_run_again(
    stage: str, reference: Reference, tmp_path: Path
) -> None:
    _killed(reference, tmp_path, stage, "second", random.Random(f"{SEED}-{stage}"))


@pytest.mark.long
def test_killed_at_two_hundred_moments(reference: Reference, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    lines = []
    for number in range(KILLS_PER_STAGE * len(STAGES)):
        stage, night = STAGES[number % len(STAGES)], ("first", "second")[number // 4 % 2]
        folder = tmp_path / str(number)
        chance = random.Random(f"{SEED}-{number}")  # so that each can be repeated alone
        line, where = _killed(reference, folder, stage, night, chance)
        shutil.rmtree(folder)
        counted[where] += 1
        lines.append(line)
        listed = ", ".join(f"{stage} {counted[stage]}" for stage in STAGES)
        head = f"{number + 1} nights killed: {listed}. Each, run again, ended with the same marts."
        LOG.write_text("\n".join([head, "", *lines]) + "\n", encoding="utf-8")
    assert min(counted[stage] for stage in STAGES) >= LEAST_PER_STAGE


def _killed(
    reference: Reference, folder: Path, stage: str, night: str, chance: random.Random
) -> tuple[str, str]:
    """Kill a night in a stage, look at what it left, run it again; gives a line, and the stage."""
    work = folder / "night"
    reference.begun(work, night)
    where, delay = "ended", chance.uniform(0, reference.seconds[night][stage])
    while where == "ended":
        where = _kill_in(stage, delay, work, reference.as_of)
        if where == "ended":
            delay = chance.uniform(0, delay)
            shutil.rmtree(work)
            reference.begun(work, night)
    _nothing_half_in(work / "warehouse")
    assert reference.is_mended(work), f"{night} night killed {delay:.3f} s into {stage}"
    return f"{night} night, {stage} + {delay:.3f} s: killed in {where}", where


def _kill_in(stage: str, delay: float, folder: Path, as_of: str) -> str:
    """The stage in which it was killed, or "ended" when it was too late."""
    said = folder / "said"
    with said.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.plain_night", str(folder), as_of], stderr=stderr
        )
    try:
        while stage not in _stages(said) and process.poll() is None:
            time.sleep(0.002)
        time.sleep(delay)
    finally:
        process.send_signal(signal.SIGKILL)
        code = process.wait()
    assert code in (0, -signal.SIGKILL), said.read_text()
    return "ended" if code == 0 else _stages(said)[-1]


def _stages(said: Path) -> list[str]:
    return [line.split()[1] for line in said.read_text().splitlines() if line.endswith(STAGES)]


def _nothing_half_in(warehouse: Path) -> None:
    """It opens, and each batch is in with all its rows or with none of them."""
    with open_warehouse(warehouse) as opened:
        assert not [note for note in opened.notes if "add up" in note or "damaged" in note]
        assert all(adds_up(opened, feed) for feed in contracts())
        assert not opened.db.execute(
            "SELECT path FROM ops.batches WHERE state IN ('accepted', 'partial') "
            "AND rows IS DISTINCT FROM loaded + unchanged + quarantined"
        ).fetchall()
