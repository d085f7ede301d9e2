"""The nightly on its cron, served from this process with Prefect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prefect import serve
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from flows.deployed import nightly
from flows.errors import UsageError
from flows.nightly import FLOW
from flows.settings import ScheduleSettings

DEPLOYMENT = "served"
"""Not `nightly`, which is the deployment of a work pool (`prefect.yaml`)."""


def serve_nightly(config: Path | None, told: ScheduleSettings, say: Callable[[str], None]) -> None:
    """Serve until stopped, one run at a time, in this working folder; the next one waits.

    Raises UsageError without a server to serve for, or when the cron cannot be read.
    """
    if not PREFECT_API_URL.value():
        raise UsageError(
            "PREFECT_API_URL is not set: start `prefect server start` and set it to that server's "
            "address, for example http://127.0.0.1:4200/api."
        )
    try:
        CronSchedule(cron=told.cron, timezone=told.time_zone)
    except ValueError:
        raise UsageError(
            "the setting schedule.cron is no cron; write for example 0 6 * * *."
        ) from None
    deployment = RunnerDeployment.from_flow(
        nightly,
        DEPLOYMENT,
        schedule=Cron(told.cron, timezone=told.time_zone),
        parameters={"config": str(config.resolve())} if config else {},
        concurrency_limit=1,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    say(f"{FLOW}/{DEPLOYMENT}: {told.cron} in {told.time_zone}, until this is stopped")
    serve(deployment, print_starting_message=False)
