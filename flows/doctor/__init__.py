"""What is wrong with this installation, its settings and its files, and how to mend each.

Each check is a small function that yields findings; `CHECKS` is the list of them. None writes
anything, none tells a value of a patient.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from checks.errors import CheckError
from flows.doctor.configuration import alerts, settings
from flows.doctor.contents import (
    blocked_files,
    clinic_time_zones,
    newest_run,
    programmes,
    raw_deliveries,
)
from flows.doctor.findings import Check, Finding, Installation, Level
from flows.doctor.folders import disk_room, landing, lock, publish_folder, warehouse_folder
from flows.doctor.rules import data_contracts, legal_dates, protocols, worked_examples
from flows.doctor.server import prefect_server
from flows.doctor.versions import packages, python, zone_data
from flows.errors import KeelError, UsageError
from protocols.errors import ProtocolError

__all__ = ["CHECKS", "Installation", "Told", "as_data", "examine", "exit_code"]

CHECKS: tuple[Check, ...] = (
    python, packages, zone_data, settings, alerts, data_contracts, protocols, worked_examples,
    legal_dates, landing, warehouse_folder, publish_folder, disk_room, lock, newest_run,
    blocked_files, raw_deliveries, clinic_time_zones, programmes, prefect_server,
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A finding with the name of its check."""

    check: str
    level: Level
    says: str
    mend: str


def examine(installation: Installation) -> list[Told]:
    """Every finding of every check; what several checks stumble over is told once."""
    told: dict[tuple[str, str], Told] = {}
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        for one in _findings(check, installation):
            key = (name if one.level == "ok" else "", one.says)
            told.setdefault(key, Told(name, one.level, one.says, one.mend))
    return list(told.values())


def exit_code(told: Iterable[Told]) -> int:
    """1 when something is broken, 2 when settings, contract or protocol are wrong, else 0."""
    levels = {one.level for one in told}
    return 1 if "broken" in levels else 2 if "wrong" in levels else 0


def as_data(told: list[Told]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "exit_code": exit_code(told),
        "findings": [asdict(one) for one in told],
        "counts": {level: sum(one.level == level for one in told)
                   for level in ("ok", "warning", "broken", "wrong")},
    }  # fmt: skip


def _findings(check: Check, installation: Installation) -> list[Finding]:
    try:
        return list(check(installation))
    except (UsageError, CheckError, ProtocolError) as error:
        if check is not settings and isinstance(error, UsageError) and not _readable(installation):
            return [Finding("warning", "not looked at: the settings cannot be read")]
        return [Finding("wrong", str(error), "mend what the line names")]
    except KeelError as error:
        return [Finding("broken", str(error), "mend what the line names")]
    except OSError as error:
        where = error.filename or "a file"
        return [Finding("broken", f"{where}: {error.strerror}", "mend its rights or the disk")]


def _readable(installation: Installation) -> bool:
    try:
        return installation.settings is not None
    except UsageError:
        return False
