"""`keel nightly --dry-run`: what a night would do, in words. Nothing is written.

What new files hold is not read: `keel check` judges them. So the subjects that their rows concern
are not counted, only those that what is loaded already, time, waivers and protocols concern.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from checks.contract import contract, contracts
from flows.deliveries import bytes_known
from flows.gates import circumstances, is_stale
from flows.judging import waivers_in_force
from flows.landing import Delivery, discover
from flows.reach import STALE_SUBJECTS
from flows.runs import Run
from flows.scope import find_scope
from flows.settings import Settings
from flows.warehouse import DATABASE, Warehouse, no_warehouse, read_warehouse
from protocols.load import load_protocols
from protocols.model import Protocol


@dataclass(frozen=True)
class Rehearsal:
    """What a night would do: files to read by feed, foreign sources ("clinic/system") to read,
    files whose bytes are known, notes on what is left aside, feeds and blocked batches to load
    again, subjects to judge again (None: all)."""

    as_of: str
    publish: str
    new_warehouse: bool
    files: dict[str, int]
    bytes: int
    clinics: tuple[str, ...]
    sources: tuple[str, ...]
    known: int
    notes: tuple[str, ...]
    reloaded: tuple[str, ...]
    retried: int
    judged_again: int | None
    subjects: int
    protocols: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def words(self) -> str:
        """For a person at a terminal."""
        return "\n".join([f"dry run as of {self.as_of}: nothing is written", *self._lines()])

    def _lines(self) -> list[str]:
        count = sum(self.files.values())
        lines = []
        if self.new_warehouse:
            lines.append(f"  would make a new warehouse; protocols {', '.join(self.protocols)}")
        if count:
            feeds = ", ".join(f"{number:,} {feed}" for feed, number in self.files.items())
            lines.append(
                f"  would read {count:,} files ({self.bytes / 1e6:,.1f} MB) of "
                f"{', '.join(self.clinics)}: {feeds}"
            )
            lines.append("    `keel check PATH` says which of their rows would be quarantined")
        else:
            lines.append("  would read no file: every one is known by path, size and time")
        if self.sources:
            lines.append(f"  would read the exports of {', '.join(self.sources)}")
        if self.known:
            lines.append(f"  would pass over {self.known:,} files whose bytes are loaded already")
        lines += [f"  note: {note}" for note in self.notes]
        lines += [
            f"  would load {feed} anew from raw: its contract, a time zone or Keel has changed"
            for feed in self.reloaded
        ]
        if self.retried:
            lines.append(f"  would try {self.retried:,} blocked batches again")
        lines += [f"  {self._judging()}", f"  would publish to {self.publish}"]
        return lines

    def _judging(self) -> str:
        more = ", and those that new rows concern" if self.files or self.reloaded else ""
        if self.judged_again is None and not self.subjects:
            return "would judge everything that is loaded"
        if self.judged_again is None:
            return f"would judge everything: {self.subjects:,} subjects of before{more}"
        return f"would judge {self.judged_again:,} of {self.subjects:,} subjects again{more}"


def rehearse(
    settings: Settings, feeds: Sequence[str], clinics: Sequence[str], *, full: bool
) -> Rehearsal:
    """Look, and write nothing. Raises what a night would raise before it starts."""
    for feed in feeds:
        contract(feed)
    protocols = load_protocols(settings.protocols, settings.builtin_protocols)
    if not (settings.warehouse / DATABASE).exists():
        with no_warehouse() as nothing:
            return _rehearsed(nothing, settings, protocols, (feeds, clinics), full=full, new=True)
    with read_warehouse(settings.warehouse) as warehouse:
        return _rehearsed(warehouse, settings, protocols, (feeds, clinics), full=full, new=False)


def _rehearsed(
    warehouse: Warehouse,
    settings: Settings,
    protocols: tuple[Protocol, ...],
    only: tuple[Sequence[str], Sequence[str]],
    *,
    full: bool,
    new: bool,
) -> Rehearsal:
    found = discover(settings, warehouse, *only)
    known = [item for item in found.deliveries if bytes_known(warehouse, item, settings)]
    fresh = [item for item in found.deliveries if item not in known]
    stale = [feed for feed, held in contracts().items() if is_stale(warehouse, held)]
    judged_again, subjects = _to_judge(warehouse, settings, protocols, full=full)
    return Rehearsal(
        as_of=settings.now().isoformat(),
        publish=str(settings.publish),
        new_warehouse=new,
        files=_by_feed(fresh),
        bytes=sum(delivery.bytes for delivery in fresh),
        clinics=tuple(sorted({delivery.clinic_id for delivery in fresh})),
        sources=tuple(f"{source.clinic}/{source.system}" for source in found.sources),
        known=len(known),
        notes=found.notes,
        reloaded=tuple(stale),
        retried=_retried(warehouse, settings),
        judged_again=judged_again,
        subjects=subjects,
        protocols=tuple(protocol.key for protocol in protocols),
    )


def _by_feed(deliveries: Sequence[Delivery]) -> dict[str, int]:
    counts = Counter(delivery.feed for delivery in deliveries)
    return {feed: counts[feed] for feed in contracts() if counts[feed]}


def _retried(warehouse: Warehouse, settings: Settings) -> int:
    blocked: dict[str, list[str]] = defaultdict(list)
    for feed, under in warehouse.db.execute(
        "SELECT feed, judged_under FROM ops.batches "
        "WHERE state = 'blocked' AND judged_under IS NOT NULL"
    ).fetchall():
        blocked[feed].append(under)
    return sum(
        under != circumstances(warehouse, contract(feed), settings)
        for feed, unders in blocked.items()
        for under in unders
    )


def _to_judge(
    warehouse: Warehouse, settings: Settings, protocols: tuple[Protocol, ...], *, full: bool
) -> tuple[int | None, int]:
    """Subjects to judge again whatever new files hold, and how many there are."""
    run = Run("", 0, settings.now(), datetime.now(UTC))
    waived = waivers_in_force(warehouse, run)
    scope = find_scope(warehouse, protocols, run, settings, waived, full=full)
    subjects = _count(warehouse, "FROM marts.subjects")
    if scope.everything:
        return None, subjects
    again = f"FROM marts.subjects SEMI JOIN {STALE_SUBJECTS} USING (clinic_id, subject_kind, subject_id)"  # noqa: E501
    return _count(warehouse, again), subjects


def _count(warehouse: Warehouse, rows: str) -> int:
    row = warehouse.db.execute(f"SELECT count(*) {rows}").fetchone()
    assert row is not None
    return int(row[0])
