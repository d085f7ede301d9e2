"""A Prefect server of a test's own, and nights that report to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.e2e.networks import command, nightly


def as_flow(folder: Path, as_of: str) -> list[str]:
    """The command of a night as a Prefect flow."""
    arguments = [part for part in nightly(folder, as_of, "--json") if part != "--plain"]
    return command(*arguments)


def environment(home: Path, **more: str) -> dict[str, str]:
    """Prefect's settings from nowhere but here."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return kept | {"PREFECT_HOME": str(home)} | more


@contextmanager
def running_server(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server that answers: the address of its API, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
         "--port", str(port)],
        env=environment(home),
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
        yield url, process
    finally:
        process.terminate()
        process.wait(30)
