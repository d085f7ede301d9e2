"""Two nights at once: the second ends within two seconds with exit 3, and changes nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.lock import locked
from flows.warehouse import open_warehouse
from tests.alerts.servers import webhook
from tests.commands.cli import snapshot
from tests.e2e.networks import command, nightly
from tests.faults.conftest import Reference
from tests.faults.marts import mart_hashes

SECONDS = 2
RACES = 50


def spent(process: subprocess.Popen[str]) -> float:
    """Processor seconds of a child that has ended; others on the machine do not count."""
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("as_flow", [False, True])
def test_a_second_night_ends_at_once_and_changes_nothing(
    reference: Reference, tmp_path: Path, as_flow: bool
) -> None:
    work = tmp_path / "work"
    reference.begun(work, "second")
    arguments = [a for a in nightly(work, reference.as_of) if not as_flow or a != "--plain"]
    with open_warehouse(work / "warehouse"):
        before = snapshot(work)
        second = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        said = second.stderr.read()
        assert spent(second) < SECONDS
        assert second.returncode == 3, said
        assert snapshot(work) == before
    assert "another run holds the warehouse" in said


def test_a_second_night_is_turned_away_before_anybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server of mail or messages may take longer than the two seconds."""
    with webhook() as (address, posted), locked(tmp_path / "warehouse"):
        monkeypatch.setenv("KEEL_ALERTS_URLS", address)
        night = command(*nightly(tmp_path, "2026-01-01T00:00Z"))
        second = subprocess.Popen(night, stderr=subprocess.DEVNULL, text=True)
        assert spent(second) < SECONDS
        assert second.returncode == 3
    assert posted == []


@pytest.mark.long
def test_fifty_races_have_one_winner(
    reference: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEL_BUILTIN_PROTOCOLS", "false")
    for number in range(RACES):
        work = tmp_path / str(number)
        reference.begun(work, "second")
        monkeypatch.setenv("KEEL_PROTOCOLS", str(work / "protocols"))
        night = ["tests.faults.raced_night", *map(str, nightly(work, reference.as_of))]
        pair = [
            subprocess.Popen([sys.executable, "-m", *night], stderr=subprocess.DEVNULL, text=True)
            for _ in range(2)
        ]
        loser, winner = _as_they_end(pair)
        assert spent(loser) < SECONDS, number
        assert (loser.returncode, winner.wait()) == (3, 0), number
        assert mart_hashes(work) == reference.marts
        assert len(list((work / "published").glob("0*"))) == len(("the first", "the winner's"))
        shutil.rmtree(work)


def _as_they_end(pair: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """The one that ends first, which is still to be waited for, then the other."""
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    return sorted(pair, key=lambda one: ended is None or one.pid != ended.si_pid)
