"""A night as users run it: a Prefect flow is really started; without a server and with one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Published
from tests.e2e.networks import marts, patient_ids
from tests.e2e.servers import Server, as_flow, environment, prefect_server

pytestmark = pytest.mark.prefect


def test_the_flow_runs_without_a_server_and_gives_what_the_plain_run_gives(
    published: Published, tmp_path: Path
) -> None:
    flowed = tmp_path / "flowed"
    as_of = published.landing(flowed)
    done = subprocess.run(
        as_flow(flowed, as_of),
        env=environment(tmp_path / "prefect"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["batches"]["accepted"] > 0
    assert {name: len(rows) for name, rows in marts(flowed).items()} == {
        name: len(rows) for name, rows in marts(published.folder).items()
    }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with prefect_server(tmp_path / "server") as running:
        yield running


def test_a_server_that_is_named_is_used_and_told_no_patient(
    published: Published, tmp_path: Path, server: Server
) -> None:
    as_of = published.landing(tmp_path / "network")
    done = subprocess.run(
        as_flow(tmp_path / "network", as_of),
        env=environment(tmp_path / "client", PREFECT_API_URL=server.url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    runs = server.ask("flow_runs/filter")
    assert [run["state_type"] for run in runs] == ["COMPLETED"]
    names = {task["name"].rsplit("-", 1)[0] for task in server.ask("task_runs/filter")}
    assert {"land", "load sessions", "judge", "publish"} <= names
    artifacts = {artifact["key"] for artifact in server.ask("artifacts/filter")}
    assert artifacts == {"keel-nightly", "keel-batches", "keel-blocked-files"}
    patients = patient_ids(tmp_path / "network")
    assert patients and server.knows(patients) == []
