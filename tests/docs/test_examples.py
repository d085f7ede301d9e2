"""The systemd units and the container file: readable by those who read them, and true of Keel."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from flows.commands.common import Exit
from flows.doctor.server import LEASE_STORAGE, ON_DISK
from flows.settings import ScheduleSettings
from tests.docs.test_commands import ROOT, parse

EXAMPLES = ROOT / "docs" / "examples"
UNITS = sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".service", ".timer"))


def value(path: Path, name: str) -> str:
    (found,) = re.findall(rf"^{name}=(.*)$", path.read_text(), re.M)
    return str(found)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_can_read_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / unit.name for unit in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_units_begin_can_be_given() -> None:
    """Those of Prefect are the runbook's, which the end-to-end test gives."""
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    for unit in UNITS:
        if unit.suffix == ".service":
            program, *words = value(unit, "ExecStart").removeprefix("/opt/keel/bin/").split()
            if program == "keel":
                parse(words)
            else:
                assert f"\n{' '.join([program, *words])}\n" in runbook


def test_the_server_keeps_its_leases_on_disk_and_the_worker_finds_it() -> None:
    server = (EXAMPLES / "keel-prefect-server.service").read_text()
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert f"\nEnvironment={LEASE_STORAGE}={ON_DISK}\n" in server
    assert f"\nexport {LEASE_STORAGE}={ON_DISK}\n" in runbook
    (address,) = re.findall(r"^export (PREFECT_API_URL=\S+)$", runbook, re.M)
    assert address in value(EXAMPLES / "keel-prefect-worker.service", "Environment").split()


def test_the_timer_has_the_default_schedule_and_the_service_the_exit_codes() -> None:
    told = ScheduleSettings()
    minute, hour, *days = told.cron.split()
    assert days == ["*", "*", "*"]
    at = f"*-*-* {int(hour):02}:{int(minute):02}:00 {told.time_zone}"
    assert value(EXAMPLES / "keel-nightly.timer", "OnCalendar") == at
    service = EXAMPLES / "keel-nightly.service"
    assert value(service, "SuccessExitStatus") == f"{Exit.BLOCKED:d}"
    assert value(service, "RestartPreventExitStatus") == f"{Exit.USAGE:d} {Exit.DISK:d}"


def test_the_container_copies_what_is_there_and_runs_a_night() -> None:
    text = (EXAMPLES / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for name in line.split()]
    assert {"checks", "protocols", "flows", "sql", "requirements.lock"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["packages"], *wheel["force-include"]} <= set(copied), (
        "the wheel is made of these"
    )
    (words,) = re.findall(r"^CMD (.*)$", text, re.M)
    parse(json.loads(words))
