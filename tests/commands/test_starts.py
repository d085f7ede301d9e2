"""Every command answers at once: what takes seconds to import waits until it is needed."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
from typer.testing import CliRunner
from flows.cli import app
from flows.commands.reference import commands

for name, _ in commands():
    done = CliRunner().invoke(app, [*name.split()[1:], "--help"])
    assert done.exit_code == 0 and "Usage: " in done.output, name
heavy = {"duckdb", "polars", "pyarrow", "prefect", "great_expectations", "sqlglot"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr
