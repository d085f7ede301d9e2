"""Prefect as the runbook starts it: a server, a work pool, deployments, a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from flows.doctor.server import LEASE_STORAGE, ON_DISK
from tests.alerts.servers import free_port
from tests.e2e.networks import command, nightly

READY_WITHIN = 120.0


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's, with Prefect's database and settings in a folder of their own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    return kept | quiet | {"PREFECT_HOME": str(home)} | more


def as_flow(folder: Path, as_of: str) -> list[str]:
    """The command of a night as a Prefect flow."""
    arguments = [part for part in nightly(folder, as_of, "--json") if part != "--plain"]
    return command(*arguments)


@dataclass(frozen=True)
class Server:
    """A Prefect server that runs, where it keeps what it is told, and its process."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    def ask(self, path: str) -> list[dict[str, Any]]:
        """What it answers: of `flow_runs/filter` all flow runs."""
        return list(self.answer(path, {}) or [])

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        """What it answers to a request with a body; asked again while its SQLite is locked (503),
        as Prefect's own client does."""
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.url}/{path}", data=json.dumps(body).encode(), headers=headers)
        until = time.monotonic() + READY_WITHIN
        while True:
            try:
                with urlopen(request) as answer:
                    return json.loads(answer.read() or "null")
            except HTTPError as error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                    raise
            time.sleep(1)

    def knows(self, words: list[str]) -> list[str]:
        """Those of the words that stand anywhere in its database."""
        held = b"".join(path.read_bytes() for path in self.home.rglob("*.db*"))
        return [word for word in words if word.encode() in held]


@contextmanager
def prefect_server(home: Path, port: int | None = None) -> Iterator[Server]:
    """A server of its own on a free port, until the block ends; it keeps its leases on disk, as the
    runbook says."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}/api"
    with process(
        "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port),
        env=environment(home, **{LEASE_STORAGE: ON_DISK}), cwd=None,
    ) as running:  # fmt: skip
        wait_for(lambda: _is_ready(url), READY_WITHIN)
        yield Server(url, home, running)


@contextmanager
def process(
    module: str, *arguments: str, env: dict[str, str], cwd: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module's command that runs beside the block and is ended with it."""
    running = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for(found: Callable[[], Any], seconds: float) -> Any:
    """What is found, once it is something; a failure when it takes longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.25)
    pytest.fail(f"waited {seconds:.0f} s in vain")


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/health") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
