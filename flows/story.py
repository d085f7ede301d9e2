"""The nightly: the whole story.

A `Step` is how one part of the story is run: `plainly` calls it, `flows.tasks.as_task` makes it a
Prefect task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

from flows.night import Night, Summary


class Step(Protocol):
    """How one part of the night is run; `retries` where trying again can help."""

    def __call__(self, name: str, part: Callable[[], None], *, retries: int = 0) -> None: ...


def tell(night: Night, step: Step) -> Summary:
    """Everything new under the landing folder becomes facts, verdicts and a published report."""
    step("land", night.land, retries=2)
    for feed in night.feeds:
        step(f"load {feed}", partial(night.load, feed))
    step("judge", night.judge)
    step("publish", night.publish, retries=1)
    return night.summary()


def plainly(name: str, part: Callable[[], None], *, retries: int = 0) -> None:
    """Run a step here and now; what fails is told to the caller, who runs the night again."""
    part()
