"""Prefect's server dies in mid-run: the night ends within a minute, done or failed."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.e2e.networks import marts, small_network
from tests.e2e.servers import as_flow, environment, prefect_server

MINUTE = 60


@pytest.mark.long
@pytest.mark.parametrize("stage", ["land", "load", "judge", "publish"])
def test_the_night_ends_within_a_minute_of_the_server_s_death(tmp_path: Path, stage: str) -> None:
    as_of = small_network(tmp_path / "network")
    with prefect_server(tmp_path / "server") as server:
        night = subprocess.Popen(
            as_flow(tmp_path / "network", as_of),
            env=environment(tmp_path / "client", PREFECT_API_URL=server.url),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert night.stderr is not None and night.stdout is not None
        said: list[str] = []
        for line in night.stderr:
            said.append(line)
            if line.rstrip().endswith(f" {stage}"):
                break
        server.process.send_signal(signal.SIGKILL)
        died = time.monotonic()
        rest = threading.Thread(target=lambda: said.extend(night.stderr or ()))
        rest.start()
        told = night.stdout.read()
        code = night.wait()
        rest.join()
        spent = time.monotonic() - died
    seconds = json.loads(told)["seconds"] if told else {}
    working = sum(seconds.get(name, 0) for name in ("land", "load", "judge", "publish"))
    assert code == 0, "".join(said)
    assert spent - working < MINUTE, "".join(said)
    assert any("goes on without it" in line for line in said) or stage == "publish"
    assert marts(tmp_path / "network")["findings"]
