"""A clock set back between two nights: run ids and history stay in order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.runs import start_run
from tests.load.network import NORTH, Network

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
HEADER = "staff_id,role\n"


def test_a_run_begins_after_the_one_before_it(network: Network) -> None:
    with network.opened() as warehouse:
        first = start_run(warehouse, network.settings.now())
        warehouse.db.execute("UPDATE ops.runs SET started_at = started_at + INTERVAL 3 DAY")
        second = start_run(warehouse, network.settings.now())
        third = start_run(warehouse, network.settings.now())
    assert first.run_id < second.run_id < third.run_id
    assert first.started_at < second.started_at < third.started_at


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])
    return Network(tmp_path)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_a_correction_of_a_night_whose_clock_was_set_back_counts(network: Network) -> None:
    """Without an extract time, what is seen later corrects what was seen earlier."""
    network.deliver(f"{NORTH}/staff_a.csv", HEADER + "ann,nurse\n")
    network.night(["clinics", "staff"])
    network.deliver(f"{NORTH}/staff_b.csv", HEADER + "ann,therapist\n")
    night = (
        "from pathlib import Path; from datetime import datetime; import flows.load\n"
        "flows.load.validate = lambda *_: []\n"
        "from tests.load.network import Network\n"
        f"network = Network(Path({str(network.folder)!r}))\n"
        "network.night(['clinics', 'staff'])\n"
        "print(datetime.now().year)"
    )
    done = subprocess.run(
        [sys.executable, "-c", night],
        env=os.environ | {"LD_PRELOAD": str(FAKETIME), "FAKETIME": "-400d"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert network.facts("staff", "staff_id", "role") == [("ann", "therapist")]
    runs = network.ask("SELECT run_id, started_at FROM ops.runs ORDER BY seq")
    assert [run for run, _ in runs] == sorted(run for run, _ in runs)
    assert [at for _, at in runs] == sorted(at for _, at in runs)
    from datetime import datetime

    assert int(done.stdout) < datetime.now().year, "the clock was not set back"  # noqa: DTZ005
