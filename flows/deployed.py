"""The flows that deployments run: nightly, backfill, report, check.

Parameters are settings files, dates and clinics; Prefect keeps them in clear. What ends a flow is
told as its state, in the sentence that `keel` says on stderr.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from prefect import Flow, flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Failed

from flows.alerts import of_failure, send
from flows.alive import newest_night
from flows.commands.common import Exit, say, sentence
from flows.commands.nightly import earned, run_night, tell_watched
from flows.flow_runs import attempts_left, due_at
from flows.nightly import FLOW
from flows.settings import Settings, load_settings

RETRIES = 2
RETRY_AFTER = timedelta(minutes=10)
TIME_LIMIT = timedelta(hours=8)
STATE_NAMES = {
    Exit.DONE: "Completed", Exit.FAILURE: "Failed", Exit.USAGE: "WrongSettings",
    Exit.BUSY: "WarehouseBusy", Exit.DISK: "DiskFull", Exit.BLOCKED: "SomeBlocked",
}  # fmt: skip
"""Names of the final states by exit code: all but the first and the last are failures."""
TIMED_OUT = "TimedOut"


class TryAgain(Exception):
    """A run that failed and has attempts left; says what stands on stderr."""


@flow(
    name=FLOW,
    retries=RETRIES,
    retry_delay_seconds=RETRY_AFTER.seconds,
    timeout_seconds=TIME_LIMIT.seconds,
    persist_result=False,
)
def nightly(config: str | None = None) -> State[Any]:
    """The night. A scheduled one that a later night has done already is caught up, not run."""
    settings = Settings()
    try:
        settings = _settings(config)
        if done := _already_done(settings):
            return done
        summary = run_night(settings, [], [], plain=False)
    except Exception as error:
        words, code = sentence(error)
    else:
        tell_watched(summary, settings)
        return _ended("the night is published", earned(summary))
    if attempts_left(RETRIES):
        raise TryAgain(f"exit code {code}: {words}")
    send([of_failure(words, code)], settings.alerts, say)
    return _ended(words, Exit(code))


@flow(
    name="keel-backfill",
    retries=RETRIES,
    retry_delay_seconds=RETRY_AFTER.seconds,
    timeout_seconds=TIME_LIMIT.seconds,
    persist_result=False,
)
def backfill(
    first: date, last: date, clinic: str | None = None, config: str | None = None
) -> State[Any]:
    """The rows of those local days judged anew, and a run published; tried again after a night that
    holds the warehouse."""
    among = ["--clinic", clinic] if clinic else []
    ended = _command("backfill", "--from", str(first), "--to", str(last), *among, config=config)
    if ended.name == STATE_NAMES[Exit.BUSY] and attempts_left(RETRIES):
        raise TryAgain(ended.message)
    return ended


@flow(name="keel-report", persist_result=False)
def report(
    clinic: str | None = None, external: bool = False, config: str | None = None
) -> State[Any]:
    """The report of the current run again, of one clinic, or for readers outside."""
    among = ["--clinic", clinic] if clinic else []
    return _command("report", *among, *["--external"] * external, config=config)


@flow(name="keel-check", persist_result=False)
def check(paths: list[str], config: str | None = None) -> State[Any]:
    """Export files judged without loading them; what is wrong stands in the worker's output."""
    return _command("check", config=config, paths=paths)


@nightly.on_crashed
def _tell_killed(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """The worker runs this for a night that was killed; without a worker, `keel alive` tells."""
    told = _settings(flow_run.parameters.get("config")).alerts
    send([of_failure("the run was killed; nothing is half-done.", Exit.FAILURE)], told, say)


@nightly.on_failure
def _tell_ended(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect ends a night that takes too long past `nightly`, which tells of any other failure."""
    if state.name == TIMED_OUT:
        told = _settings(flow_run.parameters.get("config")).alerts
        hours = TIME_LIMIT / timedelta(hours=1)
        send([of_failure(f"it took longer than {hours:g} h.", Exit.FAILURE)], told, say)


def _already_done(settings: Settings) -> State[Any] | None:
    due = due_at()
    newest = newest_night(settings.publish)
    if due is None or newest is None or newest < due:
        return None
    return Completed(
        name="CaughtUp", message=f"the night that began at {newest:%Y-%m-%d %H:%M}Z came after"
    )


def _settings(config: str | None) -> Settings:
    return load_settings(Path(config) if config else None, {})


def _command(*words: str, config: str | None, paths: Sequence[str] = ()) -> State[Any]:
    """A command of `keel` in a process of its own; its exit code and last line are the state."""
    given = [*words, *(["--config", config] if config else []), "--", *paths]
    done = subprocess.run(  # noqa: S603  (our own command, and no shell)
        [sys.executable, "-m", "flows", *given], stderr=subprocess.PIPE, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    told = done.stderr.strip().splitlines() if done.returncode else []
    code = Exit(done.returncode) if done.returncode in STATE_NAMES else Exit.FAILURE
    return _ended(told[-1] if told else f"keel {words[0]} is done", code)


def _ended(words: str, code: Exit) -> State[Any]:
    state = Completed if code in (Exit.DONE, Exit.BLOCKED) else Failed
    return state(name=STATE_NAMES[code], message=f"exit code {int(code)}: {words}")
