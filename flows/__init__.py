"""Keel: nightly operations pipeline for ketamine and esketamine clinics."""

from __future__ import annotations

import os

__version__ = "0.1.0"

# Prefect and Great Expectations read these when they are imported: no telemetry, and only errors
# on the terminal, where Keel's own lines tell the story.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_LOGGING_ROOT_LEVEL": "ERROR",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "GX_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)
