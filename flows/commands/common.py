"""What every command shares: its options, one sentence for what went wrong, exit codes."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

if TYPE_CHECKING:
    from flows.settings import Settings
    from flows.warehouse import Warehouse as OpenWarehouse


class Exit(IntEnum):
    """What a scheduler reads."""

    DONE = 0
    FAILURE = 1
    USAGE = 2
    BUSY = 3
    DISK = 4
    BLOCKED = 5
    FAIL_ON = 6


SEVERITIES = ("critical", "major", "minor")
SHOWN_ROWS = 10

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file [default: keel.toml, if there]")
]
Landing = Annotated[Path | None, typer.Option(help="Folder of the clinics' exports")]
Warehouse = Annotated[Path | None, typer.Option(help="Folder of the warehouse")]
Publish = Annotated[Path | None, typer.Option(help="Folder of published runs")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Judge as of this instant (ISO 8601) [default: now]")
]
Json = Annotated[bool, typer.Option("--json", help="A machine-readable summary on stdout")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where a failure was raised")]
Plain = Annotated[bool, typer.Option("--plain", help="Run without Prefect")]
Clinics = Annotated[
    list[str] | None, typer.Option("--clinic", help="Only this clinic's files (repeat for more)")
]
Feeds = Annotated[
    list[str] | None, typer.Option("--feed", help="Only this feed's files (repeat for more)")
]
Full = Annotated[
    bool, typer.Option("--full", help="Judge everything anew, not only what may have changed")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what a night would do; write nothing")
]
FailOn = Annotated[
    str | None,
    typer.Option("--fail-on", help="Exit 6 on a not_met finding of this severity or above"),
]


@contextmanager
def existing_warehouse(
    config: Path | None, folder: Path | None, options: Mapping[str, object] | None = None
) -> Iterator[tuple[OpenWarehouse, Settings]]:
    """The open warehouse and the settings, which `options` override; what was mended is said."""
    from flows.errors import UsageError
    from flows.settings import load_settings
    from flows.warehouse import DATABASE, open_warehouse

    settings = load_settings(config, {"warehouse": folder, **(options or {})})
    if not (settings.warehouse / DATABASE).exists():
        raise UsageError(
            f"{settings.warehouse}: no warehouse is there; name it with --warehouse, or run "
            "`keel nightly` first."
        )
    with open_warehouse(settings.warehouse, memory_mb=settings.memory_mb) as opened:
        for note in opened.notes:
            say(note)
        yield opened, settings


def instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        stop("--as-of: not an ISO 8601 instant; write for example 2026-03-01T06:00:00Z.", 2)


def period(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Local dates of --from and --to. Raises UsageError for one that is none or out of order."""
    from flows.errors import UsageError

    begins, ends = _day("--from", first), _day("--to", last)
    if begins is not None and ends is not None and ends < begins:
        raise UsageError(f"--to: {ends} is before {begins}, the day of --from; swap them.")
    return begins, ends


def _day(option: str, text: str | None) -> date | None:
    from flows.errors import UsageError

    try:
        return date.fromisoformat(text) if text is not None else None
    except ValueError:
        raise UsageError(f"{option}: not a date; write for example 2026-03-01.") from None


class explained:  # noqa: N801  (reads as a phrase: with explained(debug))
    """Turn what went wrong into one sentence on stderr and an exit code."""

    def __init__(self, debug: bool) -> None:
        self._debug = debug

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> Literal[False]:
        if error is None or isinstance(error, typer.Exit | SystemExit):
            return False
        if self._debug:
            say(where(error))
        if isinstance(error, KeyboardInterrupt):
            stop("stopped by you; nothing is half-done, run the same command again.", 1)
        words, code = sentence(error)
        return stop(words, code)


def sentence(error: BaseException) -> tuple[str, int]:
    from checks.errors import CheckError
    from flows.errors import KeelError
    from protocols.errors import ProtocolError

    if isinstance(error, KeelError):
        return str(error), error.exit_code
    if isinstance(error, CheckError | ProtocolError):
        return str(error), Exit.USAGE
    if isinstance(error, BrokenPipeError):
        return "whoever read the output stopped reading.", Exit.FAILURE
    if isinstance(error, OSError):
        where = error.filename or "a file"
        disk = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
        words = f"{where}: {error.strerror or 'cannot be read or written'}; mend that, run again."
        return words, Exit.DISK if disk else Exit.FAILURE
    name = type(error).__name__
    return f"an unexpected {name} stopped the run; nothing is half-done, --debug shows where.", 1


def where(error: BaseException) -> str:
    """The traceback of an error and of those behind it. Messages of libraries are left out, since
    they quote cells: what is told of each is its type, and where in the code it was raised.
    """
    parts, following = [], error
    while True:
        kind = type(following)
        parts.append("".join(traceback.format_tb(following.__traceback__)) + kind.__qualname__)
        behind = following.__cause__ or following.__context__
        if behind is None:
            told = "\nwhich followed from\n".join(parts)
            return f"Traceback (messages left out):\n{told}"
        following = behind


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def stop(sentence: str, code: int) -> NoReturn:
    say(f"keel: {sentence}")
    raise SystemExit(int(code))
