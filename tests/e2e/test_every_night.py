"""The runbook, followed: a server, a pool, deployments, a worker; the schedule fires, the report is
published, an alert comes; then a night is killed half-way and the next one mends it.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.alerts.servers import webhook
from tests.e2e.networks import keel, marts, nightly, patient_ids, small_network
from tests.e2e.servers import Server, environment, prefect_server, process, wait_for

pytestmark = pytest.mark.prefect
ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
FIRES_WITHIN, NIGHT_WITHIN = 600.0, 600.0


class Place:
    """A working folder with its settings, watched over by Prefect, which tells a webhook."""

    def __init__(self, folder: Path, server: Server, hook: str) -> None:
        self.folder, self.server = folder, server
        self.as_of = small_network(folder)
        settings = f'as_of = {self.as_of}\n[alerts]\nurls = ["{hook}"]\ncritical_limit = 1000\n'
        (folder / "keel.toml").write_text(settings)
        self.env = environment(
            folder / "home", PREFECT_API_URL=server.url, PREFECT_WORKER_QUERY_SECONDS="1",
            PWD=str(folder),
        )  # fmt: skip

    def prefect(self, *arguments: str) -> None:
        """A command of the runbook, word for word."""
        assert f"\nprefect {' '.join(arguments)}\n" in RUNBOOK
        subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
            cwd=self.folder, env=self.env, check=True, capture_output=True,
        )  # fmt: skip

    def deploy(self) -> None:
        """All deployments of prefect.yaml, the night at every minute."""
        text = (ROOT / "prefect.yaml").read_text()
        (self.folder / "prefect.yaml").write_text(re.sub(r'cron: ".*"', 'cron: "* * * * *"', text))
        self.prefect("deploy", "--all")

    def first_of_schedule(self) -> dict[str, Any]:
        """The first night that the schedule begins, which then begins no more."""
        (begun,) = wait_for(self.runs, FIRES_WITHIN)
        self.server.ask(f"deployments/{begun['deployment_id']}/pause_deployment")
        (over,) = wait_for(lambda: self.ended(1), NIGHT_WITHIN)
        return dict(over)

    def runs(self) -> list[dict[str, Any]]:
        """Flow runs that began, the newest first."""
        begun = [run for run in self.server.ask("flow_runs/filter") if run["start_time"]]
        return sorted(begun, key=lambda run: str(run["start_time"]), reverse=True)

    def ended(self, count: int) -> list[dict[str, Any]]:
        """The same, once so many have begun and the newest is over."""
        found = self.runs()
        over = found and found[0]["state_type"] in ("COMPLETED", "FAILED", "CRASHED")
        return found if len(found) == count and over else []

    def kill_half_way(self) -> None:
        """A night by hand, gone without a word while it judges: nobody tells the server."""
        running = subprocess.Popen(
            [sys.executable, "-m", "flows", "nightly"],
            cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert running.stderr is not None
        for line in running.stderr:
            if line.rstrip().endswith(b" judge"):
                break
        running.send_signal(signal.SIGKILL)
        running.stderr.close()
        assert running.wait() == -signal.SIGKILL


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Place, list[dict[str, str]]]]:
    with ExitStack() as stack:
        hook, posted = stack.enter_context(webhook())
        server = stack.enter_context(prefect_server(tmp_path / "server"))
        folder = tmp_path / "place"
        folder.mkdir()
        yield Place(folder, server, hook), posted


def test_the_runbook_followed(place: tuple[Place, list[dict[str, str]]], tmp_path: Path) -> None:
    there, posted = place
    wrong = there.folder / "landing" / "c01" / "sessions_wrong.csv"
    wrong.write_text("session\ns1\n")
    late = _held_back(there.folder)
    there.prefect("work-pool", "create", "keel", "--type", "process")
    there.deploy()
    with process("prefect", "worker", "start", "--pool", "keel", env=there.env, cwd=there.folder):
        first = there.first_of_schedule()
        assert (first["state_name"], first["auto_scheduled"]) == ("SomeBlocked", True)
        assert (there.folder / "published/current/report/index.html").exists()
        assert [post["title"] for post in posted] == ["Keel: 1 blocked file"]
        tables = {one["key"]: str(one["data"]) for one in there.server.ask("artifacts/filter")}
        assert "c01/sessions_wrong.csv" in tables["keel-blocked-files"]
        report = (there.folder / "published/current").resolve() / "report/index.html"
        assert f"`{report}`" in tables["keel-nightly"]

        before = (there.folder / "published/current").readlink()
        for aside, path in late:
            aside.rename(path)
        there.kill_half_way()
        assert [run["state_name"] for run in there.runs()] == ["Running", "SomeBlocked"]
        assert (there.folder / "published/current").readlink() == before

        there.prefect("deployment", "run", "keel-nightly/nightly")
        newest, killed, _ = wait_for(lambda: there.ended(3), NIGHT_WITHIN)
    assert (newest["state_name"], killed["state_name"]) == ("Completed", "Crashed")
    assert _same_in_one_night(there, tmp_path / "undisturbed")
    told = [post["message"] for post in posted]
    patients = patient_ids(there.folder)
    assert patients and there.server.knows(patients) == []
    assert not [name for name in patients for message in told if name in message]


def _held_back(folder: Path) -> list[tuple[Path, Path]]:
    """A clinic's last deliveries, kept from the first night; where they are and belong."""
    landing = folder / "landing" / "c01"
    moved = [(folder / path.name, path) for path in sorted(landing.glob("*_2026-10-31.csv"))]
    for aside, path in moved:
        path.rename(aside)
    return moved


def _same_in_one_night(there: Place, other: Path) -> bool:
    """Whether the marts are those of one undisturbed night over the same deliveries."""
    shutil.copytree(there.folder / "landing", other / "landing", copy_function=shutil.copy2)
    (other / "warehouse").mkdir(mode=0o700)
    shutil.copy2(there.folder / "warehouse" / "pseudonym.key", other / "warehouse")
    done = keel(*nightly(other, there.as_of))
    assert done.returncode == 5, done.stderr
    return marts(other) == marts(there.folder)
