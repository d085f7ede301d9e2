"""How a night that a deployment runs ends: which state, which attempt, who is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State, StateType

from flows import deployed
from flows.errors import DiskError, UsageError, WarehouseBusy
from flows.warehouse import open_warehouse
from tests.alerts.test_alerts import QUIET, watched

NIGHT = datetime(2026, 5, 5, 10, tzinfo=UTC)


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of the alerts; no server, the last attempt, begun by a person."""
    monkeypatch.chdir(tmp_path)
    titles: list[str] = []
    monkeypatch.setattr(deployed, "send", lambda alerts, *_: titles.extend(a.title for a in alerts))
    monkeypatch.setattr(deployed, "due_at", lambda: None)
    monkeypatch.setattr(deployed, "attempts_left", lambda _: 0)
    return titles


def night(monkeypatch: pytest.MonkeyPatch, ends: Any) -> State[Any]:
    """A night that ends so: with a summary or an error."""

    def run(*_: Any, **__: Any) -> Any:
        if isinstance(ends, Exception):
            raise ends
        return ends

    monkeypatch.setattr(deployed, "run_night", run)
    return deployed.nightly.fn()


def test_a_night_that_is_published(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    state = night(monkeypatch, QUIET)
    assert (state.type.value, state.name) == ("COMPLETED", "Completed")
    assert sent == []


def test_a_night_with_blocked_files(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    state = night(monkeypatch, replace(watched(), batches={"blocked": 1}))
    assert (state.type.value, state.name) == ("COMPLETED", "SomeBlocked")
    assert state.message == "exit code 5: the night is published"


@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (WarehouseBusy("w: another run holds the warehouse."), "WarehouseBusy", 3),
        (UsageError("landing: there is no such folder."), "WrongSettings", 2),
        (DiskError("w: the disk is full."), "DiskFull", 4),
        (ValueError("Quill, born 1970"), "Failed", 1),
    ],
)
def test_a_night_that_fails(
    error: Exception, name: str, code: int, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = night(monkeypatch, error)
    assert (state.type.value, state.name) == ("FAILED", name)
    assert str(state.message).startswith(f"exit code {code}: ")
    assert "Quill" not in str(state.message), "an error that nobody explained may quote a patient"
    assert sent == [f"Keel: the night failed with exit code {code}"]


def test_a_night_with_attempts_left_is_tried_again_and_told_to_nobody(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployed, "attempts_left", lambda retries: retries)
    with pytest.raises(deployed.TryAgain, match="exit code 3: w: another") as caught:
        night(monkeypatch, WarehouseBusy("w: another run holds the warehouse."))
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert sent == []


@pytest.mark.parametrize(
    ("due", "runs"),
    [
        (None, True),
        (NIGHT + timedelta(seconds=1), True),
        (NIGHT, False),
        (NIGHT - timedelta(days=2), False),
    ],
)
def test_a_missed_night_is_caught_up_once(
    due: datetime | None, runs: bool, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path("published") / f"000009-{NIGHT:%Y%m%dT%H%M%SZ}"
    run.mkdir(parents=True)
    (run.parent / "current").symlink_to(run.name)
    monkeypatch.setattr(deployed, "due_at", lambda: due)
    state = night(monkeypatch, QUIET)
    assert state.name == ("Completed" if runs else "CaughtUp")
    assert state.type.value == "COMPLETED"


def test_a_backfill_waits_for_a_run_that_holds_the_warehouse(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = NIGHT.date()
    with open_warehouse(Path("warehouse")):
        assert deployed.backfill.fn(day, day).name == "WarehouseBusy"
        monkeypatch.setattr(deployed, "attempts_left", lambda retries: retries)
        with pytest.raises(deployed.TryAgain, match="exit code 3: "):
            deployed.backfill.fn(day, day)


@pytest.mark.parametrize(("name", "told"), [("TimedOut", 1), ("Failed", 0), ("WarehouseBusy", 0)])
def test_a_night_that_prefect_ends_is_told_once(name: str, told: int, sent: list[str]) -> None:
    (hook,) = deployed.nightly.on_failure_hooks
    run = FlowRun(flow_id=uuid4(), parameters={})
    hook(deployed.nightly, run, State(type=StateType.FAILED, name=name))
    assert sent == ["Keel: the night failed with exit code 1"] * told


def test_a_command_ends_as_its_exit_code_says(
    sent: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = deployed.report.fn()
    assert (state.type.value, state.name) == ("FAILED", "WrongSettings")
    assert str(state.message) == f"exit code 2: {capfd.readouterr().err.strip()}"
    (tmp_path / "sessions_wrong.csv").write_text("session\ns1\n")
    state = deployed.check.fn([str(tmp_path / "sessions_wrong.csv")])
    assert (state.type.value, state.name) == ("COMPLETED", "SomeBlocked")
    assert "would be blocked" in capfd.readouterr().out
