"""A command in a process of its own: its seconds, its peak memory, when its lines came.

Seconds of the processor stand beside those of the clock: others on the machine move them less.

`os.wait4` gives the peak of this child alone; `RUSAGE_CHILDREN` would give the largest of all so
far. A child starts with its parent's peak as its own (Linux carries it over `exec`), so the bench
itself stays small: whatever needs memory, writing the network too, is a child.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a child ended; `lines` are stderr's with the seconds from the command to each."""

    code: int
    seconds: float
    cpu_seconds: float
    peak_mb: int
    out: str
    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def told(self) -> dict[str, float]:
        """What every figure is given with."""
        return {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "peak_mb": self.peak_mb,
        }

    def first(self, ending: str = "") -> float | None:
        """Seconds from the command to the first line of stderr that ends so."""
        return next((round(at, 2) for at, line in self.lines if line.endswith(ending)), None)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    allowed: Sequence[int] = (0,),
) -> Ended:
    """Run to the end; SystemExit with the child's words when it failed."""
    lines: list[tuple[float, str]] = []
    out: list[str] = []
    started = time.perf_counter()
    child = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None

    def listen(stream: IO[str]) -> None:
        lines.extend((time.perf_counter() - started, line.rstrip()) for line in stream)

    def keep(stream: IO[str]) -> None:
        out.append(stream.read())

    readers = [
        threading.Thread(target=listen, args=(child.stderr,)),
        threading.Thread(target=keep, args=(child.stdout,)),
    ]
    for reader in readers:
        reader.start()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    for reader in readers:
        reader.join()
    cpu_seconds = usage.ru_utime + usage.ru_stime
    peak_mb = usage.ru_maxrss // 1024
    ended = Ended(child.returncode, seconds, cpu_seconds, peak_mb, "".join(out), lines)
    if ended.code not in allowed:
        words = "\n".join(line for _, line in lines[-30:])
        raise SystemExit(f"{' '.join(map(str, command))}: exit {ended.code}\n{ended.out}\n{words}")
    return ended


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module of ours."""
    return [sys.executable, "-m", module, *map(str, arguments)]
