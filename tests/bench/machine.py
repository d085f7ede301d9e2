"""Where and of what a figure was measured: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.bench.child import ROOT

MEASURED = ("duckdb", "polars", "great-expectations", "prefect", "numpy")


def machine() -> dict[str, object]:
    """Cores, memory and kernel; no name of the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 2**30, 1),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Python and the packages that do the work."""
    return {"python": platform.python_version(), **{name: version(name) for name in MEASURED}}


def commit() -> str:
    """The commit, marked when the tree is not that commit's; figures and pages don't count."""
    named = _git("describe", "--always", "--exclude=*")
    changed = _git("status", "--porcelain", "--", ".", ":!docs")
    return f"{named}-dirty" if changed else named


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1] for line in text.splitlines() if line.startswith("model name")]
    return names[0].strip() if names else platform.processor()
