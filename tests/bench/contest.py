"""Contenders measured in turn; a comparison of different answers is void."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from tests.bench.child import Ended
from tests.bench.rivals.conditions import CONDITIONS
from tests.bench.rivals.environments import NotInstalled

Result = dict[str, Any]


class Void(Exception):
    """Contenders gave different answers."""


def attempt(run: Callable[[], Result]) -> Result:
    """What a rival did, or why it could not: not installed, or out of memory."""
    try:
        return run()
    except NotInstalled as error:
        return {"not_run": f"could not be installed: {error}"}
    except SystemExit as error:
        return {"not_run": str(error)[-400:]}


def repeated(ended: Ended) -> Result:
    """What a contender that repeats its work in one process tells of itself."""
    told = json.loads(ended.out)
    return {
        "seconds": told["seconds"],
        "cpu_seconds": told["cpu_seconds"],
        "median_seconds": round(statistics.median(told["seconds"]), 3),
        "peak_mb": ended.peak_mb,
        "counts": told["counts"],
    }


def merged(rounds: list[Result]) -> Result:
    """Rounds of the same contender as one result: all seconds, the largest peak."""
    if any("not_run" in each for each in rounds):
        return next(each for each in rounds if "not_run" in each)
    seconds = [second for each in rounds for second in each["seconds"]]
    cpu_seconds = [second for each in rounds for second in each["cpu_seconds"]]
    return {
        **rounds[0],
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "median_seconds": round(statistics.median(seconds), 3),
        "peak_mb": max(each["peak_mb"] for each in rounds),
    }


def same_answer(contenders: Mapping[str, Result]) -> dict[str, int]:
    """The counts that all contenders gave; raises Void when they differ."""
    given = {
        name: {key: each["counts"][key] for key in (*CONDITIONS, "sessions")}
        for name, each in contenders.items()
        if "counts" in each
    }
    answer = next(iter(given.values()))
    if any(counts != answer for counts in given.values()):
        raise Void(f"the contenders' answers differ, so nothing is compared: {given}")
    return answer
