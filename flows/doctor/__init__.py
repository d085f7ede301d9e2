"""What is wrong with this installation, its settings and its files, and how to mend each.

Each check is a small function that yields findings; `CHECKS` is the list of them. None writes
anything, none tells a value of a patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from checks.errors import CheckError
from flows.doctor.configuration import alerts, settings, sources
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
from flows.errors import KeelError, UsageError, WarehouseBusy
from protocols.errors import ProtocolError

__all__ = ["CHECKS", "Installation", "Told", "as_data", "examine", "exit_code", "looking"]

CHECKS: tuple[Check, ...] = (
    python, packages, zone_data, settings, alerts, data_contracts, protocols, worked_examples,
    legal_dates, landing, sources, warehouse_folder, publish_folder, disk_room, lock, newest_run,
    blocked_files, raw_deliveries, clinic_time_zones, programmes, prefect_server,
)  # fmt: skip


@dataclass(frozen=True)
class Told:
    """A finding with the name of its check."""

    check: str
    level: Level
    says: str
    mend: str


def looking(installation: Installation) -> Iterator[Told]:
    """Every finding of every check as it is found; what several stumble over is told once."""
    told: set[tuple[str, str]] = set()
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        for one in _findings(check, installation):
            key = (name if one.level == "ok" else "", one.says)
            if key not in told:
                told.add(key)
                yield Told(name, one.level, one.says, one.mend)


def examine(installation: Installation) -> list[Told]:
    """Every finding of every check."""
    return list(looking(installation))


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
        return [Finding("wrong", *_said(error))]
    except WarehouseBusy:
        return [Finding("ok", "not looked at while another run holds the warehouse")]
    except KeelError as error:
        return [Finding("broken", *_said(error))]
    except OSError as error:
        where = error.filename or "a file"
        mend = "look at the disk"
        if isinstance(error, PermissionError):
            mend = "run Keel as the user that owns it, or give this user the right"
        return [Finding("broken", f"{where}: {error.strerror}", mend)]


def _said(error: Exception) -> tuple[str, str]:
    """A sentence in two: what was found, and what to do, which follows the last semicolon."""
    found, _, mend = str(error).rstrip(".").rpartition("; ")
    return (found, mend) if found else (mend, "mend what the line names")


def _readable(installation: Installation) -> bool:
    try:
        return installation.settings is not None
    except UsageError:
        return False
