"""Steps of the story as Prefect tasks.

Prefect's database keeps names, parameters and messages in clear: a task is told nothing but its
step's name, and an exception that might quote a cell is replaced at the task's boundary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.night import Night
from flows.story import Step


class StepFailed(Exception):
    """Stands in for an error that may quote a patient's value; the night keeps the real one."""


def as_task(night: Night) -> Step:
    """Steps as tasks of the running flow, tried again only when reading or writing failed."""

    def step(name: str, part: Callable[[], None], *, retries: int = 0) -> None:
        def guarded() -> None:
            try:
                part()
            except Exception as error:
                night.failure = error
                raise StepFailed(f"{name}: {type(error).__name__}") from None

        def worth_another_try(*_: Any) -> bool:
            return isinstance(night.failure, OSError)

        run = task(
            name=name,
            retries=retries,
            retry_delay_seconds=1,
            retry_condition_fn=worth_another_try,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(guarded)
        run()

    return step
