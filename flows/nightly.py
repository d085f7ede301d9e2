"""The nightly as a run of Prefect. `flows.story` is the story, `flows.deployed` the deployment."""

from __future__ import annotations

from prefect import flow
from prefect.context import FlowRunContext

from flows.artifacts import show_artifacts
from flows.flow_runs import end_dead_runs
from flows.night import Night, Summary
from flows.story import Step, tell
from flows.supervisor import supervised
from flows.tasks import StepFailed, as_task

FLOW = "keel-nightly"


def run_as_flow(night: Night) -> Summary:
    """The night as a run of Prefect's: the deployment's, where one is running, else its own. It
    ends also when Prefect's server does not answer.

    Raises what a step raised, outside of what Prefect writes down.
    """
    is_deployed = FlowRunContext.get() is not None

    def flow_of(step: Step) -> None:
        def told() -> None:
            end_dead_runs(night.warehouse)
            show_artifacts(tell(night, step))

        run = told if is_deployed else flow(name=FLOW, persist_result=False)(told)
        try:
            run()
        except StepFailed:
            if night.failure is None:
                raise
            raise night.failure from None

    return supervised(night, as_task(night), flow_of)
