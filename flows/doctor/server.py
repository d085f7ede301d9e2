"""The Prefect server that nights report to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from flows.doctor.findings import Finding, Installation

PATIENCE_SECONDS = 5.0
LEASE_STORAGE = "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"
ON_DISK = "prefect.server.concurrency.lease_storage.filesystem"
MOST_SKEW = timedelta(minutes=2)


def prefect_server(_: Installation) -> Iterator[Finding]:
    """It answers, is of the version that runs here, its clock agrees with this one's, and who holds
    a deployment's slot outlives it."""
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        yield Finding("ok", "PREFECT_API_URL is not set: each night starts a server of its own")
        return
    try:
        version, its_clock = _asked(url, "version")
    except HTTPError as error:
        yield Finding("broken", f"{url}: refuses to answer ({error.code})",
                      "look at its log and at PREFECT_API_AUTH_STRING")  # fmt: skip
        return
    except (OSError, ValueError):
        yield Finding("broken", f"{url}: no Prefect server answers there",
                      "start `prefect server start`, or mend PREFECT_API_URL")  # fmt: skip
        return
    mine = metadata.version("prefect")
    if version.split(".")[:2] != mine.split(".")[:2]:
        yield Finding("warning", f"{url}: Prefect {version}, here is {mine}",
                      "run the server with the packages of requirements.lock")  # fmt: skip
    if its_clock is not None and abs(datetime.now(UTC) - its_clock) > MOST_SKEW:
        yield Finding("warning", f"{url}: its clock says {its_clock:%Y-%m-%d %H:%M}Z",
                      "set the clocks right; nights begin by the server's")  # fmt: skip
    if _forgets_slots(url):
        yield Finding("warning", f"{url}: it keeps in memory who holds a deployment's slot; if "
                      "it dies in the middle of a night, every later night waits for that slot",
                      f"start it with {LEASE_STORAGE}={ON_DISK}")  # fmt: skip
    yield Finding("ok", f"{url}: Prefect {version}")


def _forgets_slots(url: str) -> bool:
    try:
        settings, _ = _asked(url, "settings")
        return str(settings["server"]["concurrency"]["lease_storage"]).endswith(".memory")
    except (OSError, ValueError, LookupError, TypeError):
        return False  # one that does not tell may keep it anywhere


def _asked(url: str, what: str) -> tuple[Any, datetime | None]:
    if not url.startswith(("http://", "https://")):
        raise ValueError
    with urlopen(f"{url.rstrip('/')}/admin/{what}", timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
        date = answer.headers.get("Date")
        return json.load(answer), parsedate_to_datetime(date) if date else None
