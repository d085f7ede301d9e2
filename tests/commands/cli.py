"""`keel` called in this process, as its commands' tests do."""

from __future__ import annotations

from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app


def keel(*arguments: str | Path) -> Result:
    """What a command said and its exit code; what it did not explain is raised."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder below: mode, time of change and content."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }
