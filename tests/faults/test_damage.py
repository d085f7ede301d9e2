"""A truncated or damaged database or log: noticed, said, built again from raw, never shorter."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.commands.nightly import earned, run_night, show
from flows.warehouse import DATABASE
from tests.faults.conftest import Reference
from tests.faults.marts import mart_hashes
from tests.faults.plain_night import plain_night, settings_of
from tests.publish.nights import plain_nights

SEED = 20261126
OFFSETS = 50


def night(folder: Path, as_of: str) -> int:
    """A night as `keel nightly --plain` runs it."""
    with plain_nights():
        summary = run_night(settings_of(folder, as_of), [], [], plain=True)
    show(summary, as_json=False)
    return earned(summary)


def damage(path: Path, how: str, share: float) -> None:
    """Cut a file off, or overwrite 4 kB of it, at a share of its length."""
    content = path.read_bytes()
    at = int(len(content) * share)
    tail = b"" if how == "cut off" else b"\xa5" * 4096 + content[at + 4096 :]
    path.write_bytes(content[:at] + tail)


def check_database(reference: Reference, work: Path, how: str, share: float, said: str) -> None:
    assert mart_hashes(work) == reference.marts, f"{how} at {share:.3f}"
    kept = list((work / "warehouse").glob(f"{DATABASE}*.damaged-*"))
    assert not kept or "damaged" in said, "it is set aside without a word"
    if how == "cut off":
        assert kept or "did not know" in said, f"cut off at {share:.3f} and nobody noticed"


@pytest.mark.parametrize(
    ("how", "share"),
    [("cut off", 0.3), ("overwritten", 0.0)],
)
def test_a_damaged_database_is_built_again_from_raw(
    reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str, share: float
) -> None:
    work = tmp_path / "work"
    reference.begun(work, "done")
    shutil.rmtree(work / "landing" / "c01")
    damage(work / "warehouse" / DATABASE, how, share)
    assert night(work, reference.as_of) == 0
    out, err = capsys.readouterr()
    check_database(reference, work, how, share, out + err)


@pytest.mark.long
def test_a_database_damaged_at_fifty_offsets_is_built_again(
    reference: Reference, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    for number in range(OFFSETS):
        how, share = ("cut off", "overwritten")[number % 2], chance.random()
        work = tmp_path / str(number)
        reference.begun(work, "done")
        damage(work / "warehouse" / DATABASE, how, share)
        assert night(work, reference.as_of) == 0
        out, err = capsys.readouterr()
        check_database(reference, work, how, share, out + err)
        shutil.rmtree(work)


@pytest.fixture(scope="module")
def killed(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a write-ahead log: its second night was killed while it published."""
    work = tmp_path_factory.mktemp("killed") / "work"
    reference.begun(work, "second")
    with (work / "said").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.plain_night", str(work), reference.as_of],
            stderr=stderr,
        )
    while " publish" not in (work / "said").read_text():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (work / "warehouse" / f"{DATABASE}.wal").stat().st_size > 0
    return work


def logs_damaged(reference: Reference, killed: Path, folder: Path, how: str, share: float) -> None:
    work = folder / f"{how}-{share:.3f}"
    shutil.copytree(killed, work, symlinks=True, copy_function=shutil.copy2)
    damage(work / "warehouse" / f"{DATABASE}.wal", how, share)
    assert night(work, reference.as_of) == 0
    assert mart_hashes(work) == reference.marts, f"{how} at {share:.3f}"
    shutil.rmtree(work)


@pytest.mark.parametrize(("how", "share"), [("cut off", 0.7), ("overwritten", 0.4)])
def test_a_damaged_log_loses_nothing(
    reference: Reference, killed: Path, tmp_path: Path, how: str, share: float
) -> None:
    logs_damaged(reference, killed, tmp_path, how, share)


@pytest.mark.long
def test_a_log_damaged_at_fifty_offsets_loses_nothing(
    reference: Reference, killed: Path, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    for number in range(OFFSETS):
        how = ("cut off", "overwritten")[number % 2]
        logs_damaged(reference, killed, tmp_path, how, chance.random())


def test_runs_that_the_database_lost_are_told(reference: Reference, tmp_path: Path) -> None:
    work = tmp_path / "work"
    reference.begun(work, "first")
    (work / "published" / "000009-20260101T000000Z").mkdir(parents=True)
    with plain_nights():
        summary = plain_night(work, reference.as_of)
    assert summary.run_id.startswith("000010-")
    assert any("up to number 9" in note for note in summary.notes)
