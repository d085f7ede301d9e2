"""How a contender is timed and what it tells; only the standard library, for any environment."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping


def repeat(run: Callable[[], Mapping[str, int]], times: int) -> None:
    """Run once to warm up, then so many times; the seconds of each, by
    the clock and of the processor, and the counts to stdout."""
    counts = run()
    seconds, cpu_seconds = [], []
    for _ in range(times):
        started, worked = time.perf_counter(), time.process_time()
        run()
        seconds.append(round(time.perf_counter() - started, 3))
        cpu_seconds.append(round(time.process_time() - worked, 3))
    tell(seconds=seconds, cpu_seconds=cpu_seconds, counts=counts)


def tell(**found: object) -> None:
    """One JSON object to stdout."""
    sys.stdout.write(json.dumps(found))
