"""kill -9 at random moments, then the night again: the marts of an undisturbed run."""

from __future__ import annotations

import logging
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.networks import command, keel, marts, nightly, small_network

STAGES = ("land", "load", "judge", "publish")
KILLS_PER_STAGE = 5
SEED = 20261123
LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, float]]:
    """A network, the instant, its marts' folder, and how long each stage took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    as_of = small_network(folder)
    seconds = _stage_seconds(folder, as_of)
    return folder, as_of, seconds


def _stage_seconds(folder: Path, as_of: str) -> dict[str, float]:
    import json

    done = keel(*nightly(folder, as_of, "--json"))
    assert done.returncode == 0, done.stderr
    seconds = json.loads(done.stdout)["seconds"]
    return {stage: float(seconds[stage]) for stage in STAGES}


@pytest.mark.parametrize(
    ("stage", "kills"),
    [
        *((stage, 1) for stage in STAGES),
        *(pytest.param(stage, KILLS_PER_STAGE, marks=pytest.mark.long) for stage in STAGES),
    ],
)
def test_killed_at_any_moment_and_run_again(
    stage: str,
    kills: int,
    undisturbed: tuple[Path, str, dict[str, float]],
    tmp_path: Path,
) -> None:
    reference, as_of, seconds = undisturbed
    expected = marts(reference)
    chance = random.Random(f"{SEED}-{stage}-{kills}")
    for attempt in range(kills):
        folder = tmp_path / f"{attempt}"
        folder.mkdir()
        shutil.copytree(reference / "landing", folder / "landing", copy_function=shutil.copy2)
        (folder / "warehouse").mkdir(mode=0o700)
        shutil.copy2(reference / "warehouse" / "pseudonym.key", folder / "warehouse")
        delay = chance.uniform(0, seconds[stage])
        moment = _kill_in(stage, delay, nightly(folder, as_of))
        LOG.info("%s + %.3f s: %s", stage, delay, moment)
        again = keel(*nightly(folder, as_of))
        assert again.returncode == 0, again.stderr
        assert marts(folder) == expected, f"killed {delay:.3f} s into {stage}"


def _kill_in(stage: str, delay: float, arguments: list[str | Path]) -> str:
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(f" {stage}"):
            time.sleep(delay)
            break
    process.send_signal(signal.SIGKILL)
    process.stderr.close()
    code = process.wait()
    return "killed" if code == -signal.SIGKILL else f"had ended with {code}"
