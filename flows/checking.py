"""`keel check`: export files judged as a night would, in a warehouse that is thrown away.

For the person who exports: what is wrong, in which rows and columns (never the value), what to do.
Rows are held to the contracts by their SQL predicates alone; that Great Expectations counts the
same rows is proven by the tests.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checks.contract import Contract, contract, contracts
from checks.local_time import prepare_zones
from checks.quarantine import ABOUT_ONE_ROW, failing, warning_words
from flows.deliveries import land
from flows.drift import ALIVE, unknown
from flows.errors import UsageError
from flows.faults import Fault
from flows.gates import block_unknown_clinics
from flows.landing import Delivery, Found
from flows.load import landed, settle
from flows.placing import ASSUMED, place
from flows.raw import NETWORK
from flows.runs import Run, start_run
from flows.settings import Settings
from flows.staging import drop_stage, stage
from flows.warehouse import Warehouse, open_warehouse


@dataclass(frozen=True)
class Checked:
    """What would become of one file: accepted, partial, blocked (why is in `reason`) or duplicate;
    `faults` by reason; `unknown_columns` are kept in raw and not used."""

    path: str
    clinic_id: str | None
    feed: str
    state: str
    reason: str | None
    rows: int | None
    quarantined: int
    faults: tuple[Fault, ...]
    unknown_columns: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What would become of every file; (path, why) of those that a night would leave aside; what
    could not be looked at; whether a night would end with a file blocked."""

    files: tuple[Checked, ...]
    left_aside: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    blocked: bool


def check_files(
    paths: Sequence[Path],
    settings: Settings,
    *,
    clinic: str | None = None,
    time_zone: str | None = None,
    rows: int,
) -> Verdict:
    """Judge files, and all those of folders, without loading them; `rows` bounds how many row
    numbers a fault names.

    A clinic that no clinics file beside the exports or in the landing folder names is taken to lie
    in `time_zone`, else UTC. Raises UsageError for a path that is not there.
    """
    placed = place(paths, settings, clinic)
    with _thrown_away() as warehouse:
        run = start_run(warehouse, settings.now())
        left = land(warehouse, Found((*placed.deliveries, *placed.context)), run, settings)
        read = [item for item in placed.deliveries if item.name not in left]
        found = _Looked(warehouse, rows, {item.feed for item in read})
        for feed in contracts():  # clinics first
            _judge(warehouse, contract(feed), run, settings, found)
            if feed == "clinics":
                _assume(warehouse, clinic or ASSUMED, time_zone or "UTC")
        files = tuple(_checked(warehouse, found, item) for item in read)
        assumed = _assumptions(warehouse, clinic, time_zone)
        notes = (*left.values(), *assumed, *found.not_looked_at())
    blocked = placed.refused > 0 or any(item.state == "blocked" for item in files)
    return Verdict(files, placed.aside, notes, blocked or bool(left))


@contextmanager
def _thrown_away() -> Iterator[Warehouse]:
    prefix = "keel-check-"
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, open_warehouse(Path(folder)) as it:
        yield it


def _assume(warehouse: Warehouse, clinic: str, time_zone: str) -> None:
    """A clinic that no clinics file names."""
    prepare_zones(warehouse.db, ())
    zone = "SELECT zone FROM keel_zones WHERE zone = ?"
    if warehouse.db.execute(zone, [time_zone]).fetchone() is None:
        raise UsageError("--time-zone: is no IANA time zone; write for example America/New_York.")
    if clinic != NETWORK:
        warehouse.db.execute(
            "INSERT INTO facts.clinics (clinic_id, name, time_zone) SELECT $clinic, $name, $zone "
            "WHERE $clinic NOT IN (SELECT clinic_id FROM facts.clinics)",
            {"clinic": clinic, "name": ASSUMED, "zone": time_zone},
        )


def _judge(
    warehouse: Warehouse, held: Contract, run: Run, settings: Settings, found: _Looked
) -> None:
    """A feed's files, staged, looked at and loaded as in a night."""
    with warehouse.transaction():
        block_unknown_clinics(warehouse, held, run, settings)
    batches = landed(warehouse, held)
    if not batches:
        return
    stage(warehouse, held, batches)
    warehouse.db.execute(
        "UPDATE staged SET _problems = list_filter(_problems, lambda p: p <> "
        "'clinic_id: not_this_clinic') WHERE clinic_id = ?",
        [ASSUMED],
    )
    if held.feed in found.feeds:
        found.look_at_rows(held)
    with warehouse.transaction():
        settle(warehouse, held, run, settings, [])
    if held.feed in found.feeds:
        found.look_at_references(held)
    drop_stage(warehouse)


class _Looked:
    """What was found in the rows of the stage, by batch number; `feeds` are those to be checked."""

    def __init__(self, warehouse: Warehouse, most: int, feeds: set[str]) -> None:
        self.feeds = feeds
        self.faults: dict[int, list[Fault]] = defaultdict(list)
        self.bad: dict[int, int] = {}
        self._db, self._most = warehouse.db, most
        self._unsought: dict[str, set[str]] = {}

    def look_at_rows(self, held: Contract) -> None:
        """Rows that would be quarantined, by reason, and warnings about those that would not."""
        bad = "SELECT _batch, count(*) FROM staged WHERE len(_problems) > 0 GROUP BY ALL"
        self.bad |= dict(self._db.execute(bad).fetchall())
        problems = self._db.execute(
            "SELECT _batch, problem, count(*), min(_row, $most) FROM (SELECT _batch, _row, "
            "unnest(_problems) AS problem FROM staged) GROUP BY ALL ORDER BY min(_row), problem",
            {"most": self._most},
        ).fetchall()
        for batch, problem, rows, first in problems:
            self.faults[batch].append(Fault.of_problem(problem, rows, first, held))
        for expectation in held.expectations:
            if expectation.kind in ABOUT_ONE_ROW and expectation.severity == "warn":
                words = warning_words(expectation, held)
                columns = ", ".join(expectation.columns)
                fails = f"len(_problems) = 0 AND {failing(expectation)}"
                self._warn(fails, columns, expectation.kind, words)

    def look_at_references(self, held: Contract) -> None:
        """Loaded rows that name what no row of another feed has, where that feed was delivered."""
        for expectation in held.expectations:
            if expectation.kind != "reference":
                continue
            feed, (column,) = expectation.parameters["feed"], expectation.columns
            there = self._db.execute(
                "SELECT 1 FROM ops.batches WHERE feed = ? AND state IN ('accepted', 'partial') "
                "LIMIT 1",
                [feed],
            ).fetchone()
            if there:
                words = warning_words(expectation, held)
                self._warn(unknown(expectation), column, expectation.kind, words)
            else:
                self._unsought.setdefault(feed, set()).add(f"{held.feed}.{column}")

    def not_looked_at(self) -> Iterable[str]:
        """Sentences about feeds that others refer to and that nobody gave."""
        for feed, columns in self._unsought.items():
            listed = ", ".join(sorted(columns))
            yield f"{listed}: not compared with {feed}, since no file of {feed} was checked along."

    def _warn(self, fails: str, columns: str, code: str, words: str) -> None:
        rows = self._db.execute(
            "SELECT _batch, count(*), min(_row, $most) FROM staged "
            f"WHERE {ALIVE} AND {fails} GROUP BY ALL",
            {"most": self._most},
        ).fetchall()
        for batch, count, first in rows:
            self.faults[batch].append(Fault("warn", columns, code, words, count, tuple(first)))


def _checked(warehouse: Warehouse, found: _Looked, delivery: Delivery) -> Checked:
    row = warehouse.db.execute(
        "SELECT batch_no, state, reason, rows, unknown_columns FROM ops.batches "
        "WHERE path = ? AND clinic_id = ? AND feed = ?",
        [delivery.name, delivery.clinic_id, delivery.feed],
    ).fetchone()
    assert row is not None
    number, state, reason, rows, unknown_columns = row
    return Checked(
        path=delivery.name,
        clinic_id=None if delivery.clinic_id == ASSUMED else delivery.clinic_id,
        feed=delivery.feed,
        state=state,
        reason=reason,
        rows=rows,
        quarantined=found.bad.get(number, 0),
        faults=tuple(sorted(found.faults[number], key=lambda f: (f.severity, f.row_numbers))),
        unknown_columns=tuple(unknown_columns),
    )


def _assumptions(warehouse: Warehouse, clinic: str | None, time_zone: str | None) -> Iterable[str]:
    """Sentences about what was assumed of the clinic."""
    assumed = warehouse.db.execute(
        "SELECT clinic_id FROM facts.clinics WHERE name = ? AND clinic_id IN "
        "(SELECT clinic_id FROM ops.batches)",
        [ASSUMED],
    ).fetchone()
    if not assumed:
        return
    zone = f"local times were taken as those of {time_zone or 'UTC'}"
    if clinic:
        yield (
            f"{clinic}: no clinics file was found that names it, and a night blocks its files "
            f"until one does; {zone}."
        )
    else:
        yield (
            f"files that lie in no clinic's folder: {zone}, and whose they are was not looked at; "
            "name the clinic with --clinic, or its zone with --time-zone."
        )
