"""A night as users run it: a Prefect flow is really started; without a server and with one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.e2e.networks import command, marts, nightly, small_network
from tests.e2e.servers import as_flow, environment, running_server

pytestmark = pytest.mark.prefect


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
    with running_server(tmp_path / "server") as (url, _):
        yield url


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
    request = Request(f"{server}/{path}", data=b"{}", headers={"Content-Type": "application/json"})
    with urlopen(request) as answer:
        found: list[dict[str, str]] = json.load(answer)
    return found


def _patient_ids(folder: Path) -> list[str]:
    import duckdb

    with duckdb.connect(str(folder / "warehouse" / "keel.duckdb"), read_only=True) as db:
        rows = db.execute("SELECT patient_id FROM facts.patients").fetchall()
    return [row[0] for row in rows]
