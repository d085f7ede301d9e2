"""What Prefect's server is told and asked about the runs of this warehouse.

A run that was killed with its worker, or by a power cut, would stay "Running" there for ever. The
lock is proof: whoever holds it knows that every other run of its warehouse is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.states import Crashed

from flows.warehouse import Warehouse

_OPEN = {"type": {"any_": ["RUNNING", "PENDING"]}}


def due_at() -> datetime | None:
    """When the schedule wanted the running flow run to begin; None for one that a person began."""
    run = _this_run()
    if run is None or not run.auto_scheduled or run.expected_start_time is None:
        return None
    return run.expected_start_time.astimezone(UTC)


def attempts_left(retries: int) -> int:
    """How often the running flow run may be tried again."""
    run = _this_run()
    return retries + 1 - run.run_count if run is not None else 0


def end_dead_runs(warehouse: Warehouse) -> int:
    """Mark every other run of this warehouse, or of this deployment before this run, that the
    server still takes for running as crashed, and this one as the warehouse's; gives how many.

    To be called with the lock held.
    """
    run = _this_run()
    if run is None:
        return 0
    tag = warehouse_tag(warehouse)
    with get_client(sync_client=True) as client:
        dead = {one.id: one for one in _open_runs(client, {"tags": {"all_": [tag]}})}
        if run.deployment_id is not None:
            same = {"deployment_id": {"any_": [str(run.deployment_id)]}}
            dead |= {one.id: one for one in _open_runs(client, same) if _before(one, run)}
        dead.pop(run.id, None)
        for one in dead:
            client.set_flow_run_state(
                one, Crashed(message="it was killed: its warehouse is free"), force=True
            )
        client.update_flow_run(run.id, tags=[*run.tags, tag])
    return len(dead)


def warehouse_tag(warehouse: Warehouse) -> str:
    """The same for every run of a warehouse, and for no other: of its place and its first run."""
    first = warehouse.db.execute("SELECT min(started_at)::VARCHAR FROM ops.runs").fetchone()
    words = f"{warehouse.folder.resolve()} {first}"
    return f"warehouse-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def _this_run() -> FlowRun | None:
    context = FlowRunContext.get()
    return context.flow_run if context is not None else None


def _open_runs(client: SyncPrefectClient, which: dict[str, Any]) -> Sequence[FlowRun]:
    asked = FlowRunFilter.model_validate({**which, "state": _OPEN})
    return client.read_flow_runs(flow_run_filter=asked)


def _before(one: FlowRun, other: FlowRun) -> bool:
    mine = other.expected_start_time
    return one.expected_start_time is None or mine is None or one.expected_start_time < mine
