"""How long a night takes to its first line and first stage with Prefect: with a server of its own
(once with a fresh database, once with that database there), and with a server already running.

Each is a night that brings nothing, over the bench's own warehouse.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.nights import FIRST_STAGE, command

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
READY_WITHIN = 120.0


def with_prefect(folder: Path, as_of: str) -> dict[str, dict[str, float | None]]:
    """Seconds from the command, by how Prefect's server stood."""
    with tempfile.TemporaryDirectory() as home:
        env = {**QUIET, "PREFECT_HOME": home}
        found = {
            "fresh_database": _told(folder, as_of, env),
            "own_server": _told(folder, as_of, env),
        }
        with _server(env) as url:
            found["running_server"] = _told(folder, as_of, {**env, "PREFECT_API_URL": url})
    return found


def _told(folder: Path, as_of: str, env: dict[str, str]) -> dict[str, float | None]:
    ended = command(folder, as_of, env=env)
    return {
        **ended.told,
        "first_line_seconds": ended.first(),
        "first_stage_seconds": ended.first(FIRST_STAGE),
    }


@contextmanager
def _server(env: dict[str, str]) -> Iterator[str]:
    """Prefect's server, ready, on a free port; ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    program = str(Path(sys.executable).with_name("python"))
    server = subprocess.Popen(
        [program, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(f"{url}/health")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(url: str) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.3)
    raise SystemExit("Prefect's server did not become ready; run the bench with --no-prefect.")
