"""Programs that are no dependency of Keel: each in a virtual environment that the bench makes.

They are kept in `.bench/`, so that only the first run installs. What cannot be installed is left
out of the comparison, and the JSON says why.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.bench.child import ROOT

# dbt-core 1.12 needs a binary that its package fetches from elsewhere while it is installed.
PACKAGES = {
    "pandas": ("pandas>=2.2", "pyarrow>=20"),
    "dbt": ("dbt-duckdb", "dbt-core<1.12", "duckdb==2.0.*"),
    "py-spy": ("py-spy",),
    "atheris": ("atheris",),
}
SHOWN = re.compile(r"^(pandas|numpy|pyarrow|dbt-core|dbt-duckdb|duckdb)$")


class NotInstalled(Exception):
    """Why an environment could not be made."""


def environment(name: str) -> Path:
    """The folder of an environment's programs; NotInstalled says why there is none."""
    folder = ROOT / ".bench" / name
    stamp = folder / ".installed"
    if not stamp.exists():
        _do([sys.executable, "-m", "venv", "--clear", str(folder)])
        _do([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet",
             "--disable-pip-version-check", *PACKAGES[name]])  # fmt: skip
        stamp.touch()
    return folder / "bin"


def versions(name: str) -> dict[str, str]:
    """The packages of an environment that matter to a figure."""
    done = subprocess.run(
        [str(environment(name) / "python"), "-m", "pip", "list", "--format", "json",
         "--disable-pip-version-check"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {p["name"]: p["version"] for p in json.loads(done.stdout) if SHOWN.match(p["name"])}


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        words = " ".join(lines or done.stderr.splitlines()[-3:])
        raise NotInstalled(re.sub(r"\w+://[^\s/]+", "the index", words)[:300])
