"""The nightly: the whole story, as a Prefect flow or plainly.

A `Step` is how one part of the story is run: `plainly` calls it, `flows.tasks.as_task` makes it a
Prefect task.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prefect import flow
from prefect.context import FlowRunContext

from flows.artifacts import show_artifacts
from flows.flow_runs import end_dead_runs
from flows.night import Night, Summary
from flows.tasks import Step, StepFailed, as_task

FLOW = "keel-nightly"


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


def run_as_flow(night: Night) -> Summary:
    """The night as a run of Prefect's: the deployment's, where one is running, else its own.

    Raises what a step raised, outside of what Prefect writes down.
    """

    def told() -> None:
        end_dead_runs(night.warehouse)
        show_artifacts(tell(night, as_task(night)))

    is_deployed = FlowRunContext.get() is not None
    run = told if is_deployed else flow(name=FLOW, persist_result=False)(told)
    try:
        run()
    except StepFailed:
        if night.failure is None:
            raise
        raise night.failure from None
    return night.summary()
