"""The nightly as a Prefect flow: the story of `flows.story` with each part as a task."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.night import Night, Summary, open_night
from flows.settings import load_settings
from flows.story import Step, tell
from flows.supervisor import supervised
from flows.tasks import StepFailed, as_task, show_artifact


@flow(name="keel-nightly", persist_result=False)
def nightly(config: str | None = None) -> None:
    """The flow that a deployment runs: settings from a file, a warehouse of its own."""
    with open_night(load_settings(Path(config) if config else None, {})) as night:
        show_artifact(tell(night, as_task(night)))


def run_as_flow(night: Night) -> Summary:
    """The flow around a night that is already open (`keel nightly` takes the lock first), which
    ends also when Prefect's server does not answer.
    """

    def flow_of(step: Step) -> None:
        @flow(name="keel-nightly", persist_result=False)
        def keel_nightly() -> None:
            show_artifact(tell(night, step))

        try:
            keel_nightly()
        except StepFailed:
            if night.failure is None:
                raise
            raise night.failure from None

    return supervised(night, as_task(night), flow_of)
