"""What a person sees of a run: a bar per stage on a terminal, a line per stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol


class Progress(Protocol):
    """Told of each step of a stage; `of` is how many steps the stage has."""

    def stage(self, name: str, step: int, of: int, what: str) -> None: ...
    def say(self, line: str) -> None: ...
    def close(self) -> None: ...


class Silent:
    """Nobody watches: tests, and callers that read the summary."""

    def stage(self, name: str, step: int, of: int, what: str) -> None: ...
    def say(self, line: str) -> None: ...
    def close(self) -> None: ...


class Lines:
    """One line per stage on stderr, for logs."""

    def __init__(self) -> None:
        self._stage = ""

    def stage(self, name: str, step: int, of: int, what: str) -> None:
        if name != self._stage:
            self._stage = name
            self.say(name)

    def say(self, line: str) -> None:
        sys.stderr.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
        sys.stderr.flush()

    def close(self) -> None: ...


class Bars:
    """A bar per stage; the running step's name stands beside it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description:<9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, object] = {}
        self._bars.start()

    def stage(self, name: str, step: int, of: int, what: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=of, what=what)
        task = self._tasks[name]
        self._bars.update(task, completed=step, total=of, what=what)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        self._bars.console.print(line, highlight=False, markup=False)

    def close(self) -> None:
        self._bars.stop()


def for_this_terminal() -> Progress:
    """Bars where a person looks on, lines where a log is kept."""
    return Bars() if sys.stderr.isatty() else Lines()


class Stopwatch:
    """Seconds per stage, for the summary and the manifest's reader."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(stage, 0.0) + time.perf_counter() - start
            self.seconds[stage] = round(spent, 3)
