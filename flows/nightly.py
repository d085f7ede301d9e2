"""The nightly: the whole story, as a Prefect flow or plainly.

A `Step` is how one part of the story is run: `plainly` calls it, `flows.tasks.as_task` makes it a
Prefect task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from prefect import flow

from flows.night import Night, Summary, open_night
from flows.settings import load_settings
from flows.tasks import Step, StepFailed, as_task, show_artifact


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


@flow(name="keel-nightly", persist_result=False)
def nightly(config: str | None = None) -> None:
    """The flow that a deployment runs: settings from a file, a warehouse of its own."""
    with open_night(load_settings(Path(config) if config else None, {})) as night:
        show_artifact(tell(night, as_task(night)))


def run_as_flow(night: Night) -> Summary:
    """The flow around a night that is already open (`keel nightly` takes the lock first)."""

    @flow(name="keel-nightly", persist_result=False)
    def keel_nightly() -> None:
        show_artifact(tell(night, as_task(night)))

    try:
        keel_nightly()
    except StepFailed:
        if night.failure is None:
            raise
        raise night.failure from None
    return night.summary()
