"""A working folder whose nights Prefect runs, as the runbook sets it up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flows.errors import WarehouseBusy
from flows.lock import locked
from tests.e2e.servers import Server, environment, process, wait_for

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
NIGHT_WITHIN = 600.0
EVERY_MINUTE = "* * * * *"
_OVER = ("COMPLETED", "FAILED", "CRASHED")


class Place:
    """A working folder with its settings, watched over by Prefect, which tells a webhook."""

    def __init__(self, folder: Path, as_of: str, server: Server, hook: str) -> None:
        self.folder, self.server = folder, server
        settings = f'as_of = {as_of}\n[alerts]\nurls = ["{hook}"]\ncritical_limit = 1000\n'
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

    def deploy(self, cron: str | None = None) -> None:
        """All deployments of prefect.yaml, the night at another time."""
        text = (ROOT / "prefect.yaml").read_text()
        if cron is not None:
            text = re.sub(r'cron: ".*"', f'cron: "{cron}"', text)
        (self.folder / "prefect.yaml").write_text(text)
        self.prefect("deploy", "--all")

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """The pool's worker, until the block ends."""
        assert "\nprefect worker start --pool keel\n" in RUNBOOK
        with process(
            "prefect", "worker", "start", "--pool", "keel", env=self.env, cwd=self.folder
        ) as running:
            yield running

    def deployments(self) -> dict[str, str]:
        """Ids of the deployments by name."""
        return {one["name"]: one["id"] for one in self.server.ask("deployments/filter")}

    def begin(self, name: str, **parameters: Any) -> str:
        """Run a deployment by its name; gives the flow run's id."""
        path = f"deployments/{self.deployments()[name]}/create_flow_run"
        return str(self.server.answer(path, {"parameters": parameters})["id"])

    def pause(self, name: str) -> None:
        """The schedule of a deployment begins no more."""
        self.server.ask(f"deployments/{self.deployments()[name]}/pause_deployment")

    def runs(self, flow_name: str = "keel-nightly") -> list[dict[str, Any]]:
        """Nights that began, the newest first; those caught up by another are none."""
        (flow,) = (one["id"] for one in self.server.ask("flows/filter") if one["name"] == flow_name)
        found = [run for run in self.server.ask("flow_runs/filter") if run["flow_id"] == flow]
        begun = [run for run in found if run["start_time"] and run["state_name"] != "CaughtUp"]
        return sorted(begun, key=lambda run: str(run["start_time"]), reverse=True)

    def run(self, run_id: str) -> dict[str, Any]:
        """A flow run as the server knows it."""
        return next(run for run in self.server.ask("flow_runs/filter") if run["id"] == run_id)

    def state(self, run_id: str) -> str:
        """The name of a flow run's state."""
        return str(self.run(run_id)["state_name"])

    def ended(self, run_id: str) -> str:
        """The name of a flow run's final state, once it has one."""
        wait_for(lambda: self.run(run_id)["state_type"] in _OVER, NIGHT_WITHIN)
        return self.state(run_id)

    def judges(self, run_id: str) -> bool:
        """Whether a night has come to its judging."""
        return any(
            task["flow_run_id"] == run_id and task["name"].startswith("judge")
            for task in self.server.ask("task_runs/filter")
        )

    def holds(self) -> bool:
        """Whether a run holds the warehouse."""
        try:
            with locked(self.folder / "warehouse"):
                return False
        except WarehouseBusy:
            return True


def kill(*running: subprocess.Popen[bytes]) -> None:
    """Processes and all that they began are gone at once, without a word."""
    _kill([*(one.pid for one in running), *(pid for one in running for pid in below(one.pid))])
    for one in running:
        one.wait()


def kill_below(running: subprocess.Popen[bytes]) -> None:
    """What a process began is gone at once; it goes on."""
    _kill(below(running.pid))


def below(pid: int) -> list[int]:
    """The processes that a process began, and those that they began."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (folder / "stat").read_text().rsplit(")")[-1].split()
            parents[int(folder.name)] = int(said[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
