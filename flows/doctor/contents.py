"""What is in the warehouse: the newest run, blocked files, clinics, programmes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import available_timezones

from flows.doctor.findings import Finding, Installation
from flows.doctor.folders import is_held
from flows.faults import counted
from flows.raw import is_sealed
from flows.raw_damage import damaged_files, mending, raw_files
from flows.warehouse import DATABASE, read_warehouse

OLDEST_RUN = timedelta(hours=48)


def newest_run(installation: Installation) -> Iterator[Finding]:
    """How the newest run ended, and whether the clock agrees with it."""
    rows = _asked(
        installation, "SELECT run_id, state, started_at, as_of FROM ops.runs ORDER BY seq DESC"
    )
    if not rows:
        yield Finding("ok", "no run yet")
        return
    run_id, state, started_at, as_of = rows[0]
    started, judged = started_at.astimezone(UTC), as_of.astimezone(UTC)
    if state in ("failed", "interrupted", "started"):
        how = "failed" if state == "failed" else "was cut off, by a kill or the power"
        yield Finding("warning", f"the newest run, {run_id}, {how}",
                      "run `keel nightly`: it begins where that one ended")  # fmt: skip
    if started > installation.now:
        yield Finding("broken", f"the newest run, {run_id}, began at {started:%Y-%m-%d %H:%M}Z, "
                      f"this computer's clock says {installation.now:%Y-%m-%d %H:%M}Z",
                      "set the clock right")  # fmt: skip
    elif installation.now - started > OLDEST_RUN:
        yield Finding("warning", f"the newest run, {run_id}, began {started:%Y-%m-%d %H:%M}Z",
                      "look at the scheduler: no night has run since")  # fmt: skip
    if judged > installation.now:
        yield Finding("warning", f"the newest run judged as of {judged:%Y-%m-%d %H:%M}Z, which "
                      "is still to come", "run `keel nightly` without --as-of")  # fmt: skip
    yield Finding("ok", f"{counted(len(rows), 'run')}, the newest {run_id}")


def blocked_files(installation: Installation) -> Iterator[Finding]:
    """Deliveries of which nothing was loaded."""
    rows = _asked(
        installation,
        "SELECT clinic_id, feed, count(*) FROM ops.batches WHERE state = 'blocked' "
        "GROUP BY ALL ORDER BY ALL",
    )
    for clinic, feed, count in rows:
        yield Finding("warning", f"{clinic}: {count} blocked of {feed}",
                      "`keel batch list` says why; mend and deliver again")  # fmt: skip
    if not rows:
        yield Finding("ok", "none")


def raw_deliveries(installation: Installation) -> Iterator[Finding]:
    """The deliveries that are kept are, byte for byte, as they were written."""
    folder = installation.settings.warehouse
    if not (folder / DATABASE).exists() or is_held(folder):
        return
    with read_warehouse(folder) as opened:
        kept, damaged = raw_files(opened), damaged_files(opened)
        older = sum(not is_sealed(opened.db, path) for path in kept if path not in damaged)
    for path in damaged:
        yield Finding("broken", f"{path}: its bytes are not those that were written",
                      mending(path))  # fmt: skip
    unsealed = f", {older:,} of them without a SHA-256: an earlier Keel gave them none"
    yield Finding("ok", f"{len(kept):,} looked at{unsealed if older else ''}")


def clinic_time_zones(installation: Installation) -> Iterator[Finding]:
    """Time zones of the clinics exist and know summer time."""
    rows = _asked(installation, "SELECT clinic_id, time_zone FROM facts.clinics ORDER BY 1")
    known = available_timezones()
    for clinic, zone in rows:
        mend = "deliver the clinic with its place, for example America/New_York"
        if zone not in known:
            yield Finding("broken", f"{clinic}: {zone} is no time zone", mend)
        elif zone != "UTC" and re.fullmatch(r"[A-Z]{3}|Etc/.*|GMT.*|[A-Z]{3}\d[A-Z]{3}", zone):
            yield Finding("warning", f"{clinic}: {zone} is no place's time zone", mend)
    yield Finding("ok", counted(len(rows), "clinic"))


def programmes(installation: Installation) -> Iterator[Finding]:
    """Programmes whose sessions no protocol governs."""
    mapped = installation.settings.programs
    known = {program for one in installation.protocols for program in one.programs or ()}
    rows = _asked(
        installation,
        "SELECT program, count(*) FROM facts.sessions WHERE status = 'completed' GROUP BY ALL "
        "ORDER BY ALL",
    )
    for program, count in rows:
        if mapped.get(program, program) not in known:
            yield Finding("warning", f"{count} completed sessions of {program}, which no protocol "
                          "governs", "map it under [programs], or write a protocol")  # fmt: skip
    yield Finding("ok", counted(len(rows), "programme"))


def _asked(installation: Installation, query: str) -> list[tuple[Any, ...]]:
    """A query's rows; none without a warehouse. Raises WarehouseBusy (`lock` tells of it)."""
    folder = installation.settings.warehouse
    if not (folder / DATABASE).exists():
        return []
    with read_warehouse(folder) as opened:
        return opened.db.execute(query).fetchall()
