"""What is wrong with this installation, its settings and its files, and how to mend each.

Each check is a small function that yields findings; `CHECKS` is the list of them. None writes
anything, none tells a value of a patient.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from packaging.requirements import Requirement
from packaging.version import Version

from checks.contract import contracts
from checks.errors import CheckError
from flows.alive import CURRENT
from flows.errors import KeelError, UsageError
from flows.pseudonyms import KEY_FILE
from flows.settings import Settings, load_settings
from flows.warehouse import DATABASE, LOCK, read_warehouse
from protocols.catalogue import is_in_force
from protocols.errors import ProtocolError
from protocols.examples import run_examples
from protocols.legal import coming, legal_facts
from protocols.load import load_protocols
from protocols.model import Protocol

Level = Literal["ok", "warning", "broken", "wrong"]
"""`broken`: the installation or its files; `wrong`: settings, a contract or a protocol."""

LEGAL_DAYS = 30
LEAST_FREE_BYTES = 1_000_000_000
OLDEST_RUN = timedelta(hours=48)
PACKAGE = "keel"


@dataclass(frozen=True)
class Finding:
    """What a check found, and how to mend it."""

    level: Level
    says: str
    mend: str = ""


@dataclass(frozen=True)
class Told:
    """A finding with the name of its check."""

    check: str
    level: Level
    says: str
    mend: str


@dataclass(frozen=True)
class Installation:
    """What is looked at. Folders and protocols are read when a check first asks for them."""

    config: Path | None
    overrides: dict[str, Any]
    now: datetime

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises UsageError when they are wrong."""
        return load_settings(self.config, self.overrides)

    @cached_property
    def protocols(self) -> tuple[Protocol, ...]:
        """The library and the network's own. Raises ProtocolError when a file is wrong."""
        return load_protocols(self.settings.protocols, self.settings.builtin_protocols)


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


# --- the installation ---


def python(_: Installation) -> Iterator[Finding]:
    """The running Python against the least that Keel asks for."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    wanted = str(metadata.metadata(PACKAGE)["Requires-Python"])
    if Requirement(f"python{wanted}").specifier.contains(running):
        yield Finding("ok", f"Python {running}")
    else:
        yield Finding("broken", f"Python {running}, Keel needs {wanted}", "install Keel with it")


def packages(_: Installation) -> Iterator[Finding]:
    """Every package that Keel names, against the versions that it was tested with."""
    wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        mend = "install with `pip install --require-hashes -r requirements.lock`"
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            yield Finding("broken", f"the package {one.name} is not installed", mend)
            continue
        if not one.specifier.contains(Version(found), prereleases=True):
            yield Finding("broken", f"{one.name} {found}, Keel needs {one.specifier}", mend)
    yield Finding("ok", f"{len(needed)} packages looked at, Keel {metadata.version(PACKAGE)}")


def zone_data(installation: Installation) -> Iterator[Finding]:
    """Time zones can be looked up at all."""
    try:
        ZoneInfo("America/New_York").utcoffset(installation.now)
    except KeyError:
        yield Finding("broken", "no time zone data is installed", "install the package tzdata")
    else:
        yield Finding("ok", f"{len(available_timezones())} time zones known")


# --- settings, contracts, protocols ---


def settings(installation: Installation) -> Iterator[Finding]:
    """keel.toml, KEEL_* and options, read."""
    held = installation.settings
    where = installation.config or Path("keel.toml")
    said = f"read from {where}" if where.exists() else "defaults, no keel.toml here"
    yield Finding("ok", said)
    if held.as_of is not None:
        yield Finding(
            "warning", f"as_of is set to {held.as_of:%Y-%m-%d}: every night judges as of then",
            "take it out of the settings, unless that is meant",
        )  # fmt: skip
    known = {program for one in installation.protocols for program in one.programs or ()}
    for own, mapped in held.programs.items():
        if mapped not in known:
            yield Finding(
                "warning", f"[programs] maps {own} to {mapped}, which no protocol has",
                f"use one of {', '.join(sorted(known))}",
            )  # fmt: skip


def data_contracts(_: Installation) -> Iterator[Finding]:
    """Every data contract, read."""
    yield Finding("ok", f"{len(contracts())} feeds")


def protocols(installation: Installation) -> Iterator[Finding]:
    """Every protocol, read; some version of each in force today."""
    held = installation.protocols
    yield Finding("ok", f"{len(held)} protocols, {sum(len(one.rules) for one in held)} rules")
    today = installation.now.date()
    newest = {one.protocol: one for one in held}
    in_force = {one.protocol for one in held if is_in_force(one, today)}
    for name, one in newest.items():
        if name not in in_force:
            yield Finding(
                "warning", f"no version of {name} is in force today ({one.key} is the newest)",
                "write a version that begins the day after, or drop the file",
            )  # fmt: skip


def worked_examples(installation: Installation) -> Iterator[Finding]:
    """Every protocol does what its worked examples say."""
    count = 0
    for one in installation.protocols:
        count += len(one.examples)
        failed = sorted({wrong.example for wrong in run_examples(one)})
        for title in failed:
            yield Finding(
                "wrong", f"{one.key}: the example `{title}` does not hold",
                f"`keel protocol test {one.key}` says what was found",
            )  # fmt: skip
    yield Finding("ok", f"{count} examples run")


def legal_dates(installation: Installation) -> Iterator[Finding]:
    """Legal facts that nobody has confirmed, and those that begin or end soon."""
    facts, today = legal_facts(), installation.now.date()
    for fact in facts:
        if fact.status == "unconfirmed":
            yield Finding(
                "warning", f"{fact.id} is unconfirmed: {fact.says.rstrip('.')}",
                f"look at {fact.url or fact.citation}; rules on it: {_rules(fact.rules)}",
            )  # fmt: skip
    for fact, day, how in coming(facts, today, LEGAL_DAYS):
        yield Finding(
            "warning", f"{fact.id} {how} on {day}: {fact.says.rstrip('.')}",
            f"confirm what holds from then; rules on it: {_rules(fact.rules)}",
        )  # fmt: skip
    yield Finding("ok", f"{len(facts)} legal facts")


def _rules(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


# --- folders ---


def landing(installation: Installation) -> Iterator[Finding]:
    """The folder of exports can be read."""
    folder = installation.settings.landing
    if not folder.is_dir():
        yield Finding("warning", f"{folder}: there is no such folder yet",
                      "make it, or name another with `landing`")  # fmt: skip
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding("broken", f"{folder}: cannot be read", "give Keel's user the right to read")
    else:
        yield Finding("ok", f"{folder} can be read")


def warehouse_folder(installation: Installation) -> Iterator[Finding]:
    """The warehouse can be written by Keel, and be read by nobody else."""
    folder = installation.settings.warehouse
    yield from _writable(folder, "warehouse")
    for path in (folder / DATABASE, folder / KEY_FILE):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("broken", f"{path}: others than its owner may read it",
                          f"chmod 600 {path}")  # fmt: skip
    if (folder / DATABASE).exists() and not (folder / KEY_FILE).exists():
        yield Finding("warning", f"{folder / KEY_FILE}: is not there",
                      "restore it if a run was ever published: old pseudonyms need it")  # fmt: skip


def publish_folder(installation: Installation) -> Iterator[Finding]:
    """The folder of published runs can be written, and `current` leads to one."""
    folder = installation.settings.publish
    yield from _writable(folder, "publish")
    current = folder / CURRENT
    if current.is_symlink() and not current.exists():
        yield Finding("broken", f"{current}: leads to a run that is not there",
                      "run `keel nightly`, or restore the run's folder")  # fmt: skip


def _writable(folder: Path, name: str) -> Iterator[Finding]:
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        yield Finding("broken", f"{nearest}: is a file, no folder",
                      f"name another with `{name}`")  # fmt: skip
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield Finding("broken", f"{nearest}: cannot be written",
                      f"give Keel's user the right, or name another with `{name}`")  # fmt: skip
    else:
        said = "can be written" if nearest == folder else "will be made by the first run"
        yield Finding("ok", f"{folder} {said}")


def disk_room(installation: Installation) -> Iterator[Finding]:
    """Room for another night where the warehouse and the published runs lie."""
    held = installation.settings
    for folder in (held.warehouse, held.publish):
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(nearest).free
        database = held.warehouse / DATABASE
        wanted = max(LEAST_FREE_BYTES, 2 * database.stat().st_size if database.exists() else 0)
        said = f"{folder}: {free / 1e9:.1f} GB free"
        if free < wanted:
            yield Finding("warning", f"{said}, a night may need {wanted / 1e9:.1f} GB",
                          "free the disk, or lower `keep_runs`")  # fmt: skip
        else:
            yield Finding("ok", said)


def lock(installation: Installation) -> Iterator[Finding]:
    """Whether another run holds the warehouse now."""
    folder = installation.settings.warehouse
    if _is_held(folder):
        yield Finding(
            "warning", f"{folder}: another run holds the warehouse",
            "wait for it to end; a killed run holds nothing",
        )  # fmt: skip
    else:
        yield Finding("ok", "nobody holds the warehouse")


def _is_held(folder: Path) -> bool:
    path = folder / LOCK
    if not path.exists():
        return False
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# --- what is in the warehouse ---


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
        yield Finding("warning", f"the newest run, {run_id}, is {state}",
                      "run `keel nightly` again")  # fmt: skip
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
    yield Finding("ok", f"{len(rows)} runs, the newest {run_id}")


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
    yield Finding("ok", f"{len(rows)} clinics")


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
    yield Finding("ok", f"{len(rows)} programmes")


def _asked(installation: Installation, query: str) -> list[tuple[Any, ...]]:
    """A query's rows; none without a warehouse, or while another run holds it (`lock` says so)."""
    folder = installation.settings.warehouse
    if not (folder / DATABASE).exists() or _is_held(folder):
        return []
    with read_warehouse(folder) as opened:
        return opened.db.execute(query).fetchall()


Check = Callable[[Installation], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    python, packages, zone_data, settings, data_contracts, protocols, worked_examples,
    legal_dates, landing, warehouse_folder, publish_folder, disk_room, lock, newest_run,
    blocked_files, clinic_time_zones, programmes,
)  # fmt: skip
