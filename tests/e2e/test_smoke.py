"""A night as users run it: a Prefect flow is really started; without a server and with one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.networks import command, marts, nightly, small_network

pytestmark = pytest.mark.prefect


def as_flow(folder: Path, as_of: str) -> list[str]:
    arguments = [part for part in nightly(folder, as_of, "--json") if part != "--plain"]
    return command(*arguments)


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return kept | {"PREFECT_HOME": str(home)} | more


def test_the_flow_runs_without_a_server_and_gives_what_the_plain_run_gives(tmp_path: Path) -> None:
    flowed, plain = tmp_path / "flowed", tmp_path / "plain"
    as_of = small_network(flowed)
    small_network(plain)
    done = subprocess.run(
        as_flow(flowed, as_of),
        env=environment(tmp_path / "prefect"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["batches"]["accepted"] > 0
    subprocess.run(command(*nightly(plain, as_of)), check=True, capture_output=True)
    assert {name: len(rows) for name, rows in marts(flowed).items()} == {
        name: len(rows) for name, rows in marts(plain).items()
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
         "--port", str(port)],
        env=environment(tmp_path / "server"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api"
    try:
        for _ in range(120):
            try:
                with urlopen(f"{url}/health") as answer:
                    if answer.status == 200:
                        break
            except OSError:
                time.sleep(1)
        else:
            pytest.fail("Prefect's server did not start within two minutes")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def test_a_server_that_is_named_is_used_and_told_no_patient(tmp_path: Path, server: str) -> None:
    as_of = small_network(tmp_path / "network")
    done = subprocess.run(
        as_flow(tmp_path / "network", as_of),
        env=environment(tmp_path / "client", PREFECT_API_URL=server),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = _ask(server, "flow_runs/filter")
    assert [run["state_type"] for run in runs] == ["COMPLETED"]
    names = {task["name"].rsplit("-", 1)[0] for task in _ask(server, "task_runs/filter")}
    assert {"land", "load sessions", "judge", "publish"} <= names
    (artifact,) = _ask(server, "artifacts/filter")
    assert artifact["key"] == "keel-nightly"
    stored = (tmp_path / "server").rglob("*.db*")
    patients = _patient_ids(tmp_path / "network")
    for path in stored:
        held = path.read_bytes()
        assert not [name for name in patients if name.encode() in held]


def _ask(server: str, path: str) -> list[dict[str, str]]:
    from urllib.request import Request

    request = Request(f"{server}/{path}", data=b"{}", headers={"Content-Type": "application/json"})
    with urlopen(request) as answer:
        found: list[dict[str, str]] = json.load(answer)
    return found


def _patient_ids(folder: Path) -> list[str]:
    import duckdb

    with duckdb.connect(str(folder / "warehouse" / "keel.duckdb"), read_only=True) as db:
        rows = db.execute("SELECT patient_id FROM facts.patients").fetchall()
    return [row[0] for row in rows]
