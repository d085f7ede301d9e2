"""A feed's landed batches become facts, in one transaction: typed, validated, merged, counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import duckdb

from checks.contract import Contract, contract
from checks.gx import CheckResult, validate
from flows import __version__
from flows.drift import drift
from flows.errors import KeelError
from flows.gates import apply_gates, block_unknown_clinics, mode_of, note_zones, try_again
from flows.merge import merge
from flows.raw import raw_columns, raw_file, row_number
from flows.raw_damage import refuse_damaged
from flows.recovery import block_damaged, block_unreadable, forget, reset
from flows.runs import Run
from flows.settings import Settings
from flows.sources import identifier, quoted
from flows.staging import Batch, drop_stage, note_extract_times, stage
from flows.warehouse import Warehouse


@dataclass(frozen=True)
class FeedSummary:
    """What a night brought of one feed; `notes` are sentences about blocked files, and
    `validate_seconds` is what Great Expectations took of the time."""

    batches: Mapping[str, int] = field(default_factory=dict)
    loaded: int = 0
    unchanged: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()
    validate_seconds: float = 0.0


class _MustReset(Exception):
    """What comes late changes what should have been blocked before it."""


def load_feed(warehouse: Warehouse, feed: str, run: Run, settings: Settings) -> FeedSummary:
    """Everything landed of a feed becomes facts and quarantined rows, or none of it does.

    Raises KeelError when a batch's rows do not add up, which leaves the feed as it was.
    """
    held = contract(feed)
    if not _was_delivered(warehouse, feed):
        return FeedSummary()
    try_again(warehouse, held, settings)
    with warehouse.transaction():
        block_unknown_clinics(warehouse, held, run, settings)
    try:
        spent = _load_whole(warehouse, held, run, settings)
    except _MustReset:
        reset(warehouse, feed)
        with warehouse.transaction():
            block_unknown_clinics(warehouse, held, run, settings)
        spent = _load(warehouse, held, run, settings)
    finally:
        drop_stage(warehouse)
    return replace(_summary(warehouse, feed, run), validate_seconds=spent)


def _was_delivered(warehouse: Warehouse, feed: str) -> bool:
    """Whether there is anything to load, now or again; most networks lack some feeds."""
    query = "SELECT 1 FROM ops.batches WHERE feed = ? LIMIT 1"
    return warehouse.db.execute(query, [feed]).fetchone() is not None


def load_anew(
    warehouse: Warehouse, feed: str, run: Run, settings: Settings, change: Callable[[], None]
) -> None:
    """Make a change to a feed's batches and load all of them again from raw, in one transaction.

    What will be staged is found by a rehearsal, for Great Expectations cannot work within the
    transaction. Raises KeelError when a raw file is damaged, or a batch's rows do not add up.
    """
    held = contract(feed)

    def begin() -> list[Batch]:
        change()
        forget(warehouse, feed)
        block_unknown_clinics(warehouse, held, run, settings)
        return landed(warehouse, held)

    with warehouse.rehearsal():
        batches = begin()
    refuse_damaged(
        warehouse,
        [raw_file(warehouse, one.clinic_id, feed, one.batch_id) for one in batches],
    )
    try:
        if batches:
            stage(warehouse, held, batches)
        checked = validate(warehouse.db, held, "staged") if batches else []
        with warehouse.transaction():
            begin()
            if batches:
                settle(warehouse, held, run, settings, checked)
    finally:
        drop_stage(warehouse)


def _load_whole(warehouse: Warehouse, held: Contract, run: Run, settings: Settings) -> float:
    """Load what has landed and can be read."""
    try:
        return _load(warehouse, held, run, settings)
    except duckdb.Error:
        if not block_unreadable(warehouse, held.feed, run):
            raise
        return _load(warehouse, held, run, settings)


def _load(warehouse: Warehouse, held: Contract, run: Run, settings: Settings) -> float:
    """Load what has landed; gives the seconds that its validation took."""
    block_damaged(warehouse, held.feed, run)
    batches = landed(warehouse, held)
    if not batches:
        return 0.0
    stage(warehouse, held, batches)
    began = time.perf_counter()
    checked = validate(warehouse.db, held, "staged")
    spent = time.perf_counter() - began
    with warehouse.transaction():
        settle(warehouse, held, run, settings, checked)
    return spent


def settle(
    warehouse: Warehouse, held: Contract, run: Run, settings: Settings, checked: list[CheckResult]
) -> None:
    """Staged batches are blocked, or their rows become facts and quarantined ones; within the
    caller's transaction.
    """
    note_extract_times(warehouse, mode_of(settings, held.feed))
    if not apply_gates(warehouse, held, run, settings):
        raise _MustReset
    _quarantine(warehouse, held, run)
    merge(warehouse, held)
    _keep_results(warehouse, held, run, [*checked, *drift(warehouse, held, run)])
    _release(warehouse, held, run)
    _count(warehouse, held, run)
    note_zones(warehouse, held)


def landed(warehouse: Warehouse, held: Contract) -> list[Batch]:
    """A feed's batches that are kept as raw and not loaded yet."""
    rows = warehouse.db.execute(
        "SELECT batch_no, batch_id, clinic_id, path FROM ops.batches "
        "WHERE feed = ? AND state = 'landed' ORDER BY batch_no",
        [held.feed],
    ).fetchall()
    return [Batch(*row) for row in rows]


def _keep_results(
    warehouse: Warehouse, held: Contract, run: Run, checked: list[CheckResult]
) -> None:
    """In one INSERT: each takes as long as all together."""
    rows = [
        (run.run_id, held.feed, result.expectation_id, result.kind, result.column,
         result.severity, result.success, result.evaluated, result.unexpected)
        for result in checked
    ]  # fmt: skip
    if rows:
        one = f"({', '.join('?' for _ in rows[0])})"
        warehouse.db.execute(
            f"INSERT INTO ops.check_results VALUES {', '.join([one] * len(rows))}",
            [value for row in rows for value in row],
        )


def _quarantine(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """Bad rows leave the stage for the quarantine; of a foreign export with their input row."""
    db = warehouse.db
    key = identifier(held.id_column)
    session = "s.session_id" if "session_id" in held.names else "NULL"
    patient = "s.patient_id" if "patient_id" in held.names else "NULL"
    db.execute(
        "INSERT INTO ops.quarantine SELECT s._batch, b.batch_id, s.clinic_id, b.feed, s._row, "
        f"NULL, NULL, s.{key}, {session}, {patient}, s._problems, s._at, "
        "greatest(s._at, b.delivered_at), ?, NULL "
        "FROM staged s JOIN ops.batches b ON b.batch_no = s._batch WHERE len(s._problems) > 0 "
        "ORDER BY s._batch, s._row",
        [run.run_id],
    )
    db.execute("DELETE FROM staged WHERE len(_problems) > 0")
    foreign = db.execute(
        "SELECT batch_no, file FROM pending JOIN ops.batches USING (batch_no) "
        "WHERE source IS NOT NULL"
    ).fetchall()
    for number, file in foreign:
        relation = f"read_parquet({quoted(file)}, file_row_number = true)"
        db.execute(
            "UPDATE ops.quarantine SET source_file = r._file, source_row = r._row FROM "
            f"{relation} r WHERE batch_no = ? "
            f"AND row_number = {row_number(raw_columns(db, relation))}",
            [number],
        )


def _release(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """A quarantined row is over when a good row of its key was extracted later."""
    key = identifier(held.id_column)
    versions = " UNION ALL ".join(
        f"SELECT clinic_id, {key} AS id, _extracted_at FROM facts.{table}"
        for table in (held.feed, f"{held.feed}_history")
    )
    warehouse.db.execute(
        "UPDATE ops.quarantine AS q SET released_run = ? WHERE q.released_run IS NULL "
        f"AND q.feed = '{held.feed}' AND q.key_id IS NOT NULL AND EXISTS (SELECT 1 FROM "
        f"({versions}) f WHERE f.clinic_id IS NOT DISTINCT FROM q.clinic_id "
        "AND f.id = q.key_id AND f._extracted_at > q.extracted_at)",
        [run.run_id],
    )


def _count(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """Write each batch's outcome down; its rows must add up."""
    db = warehouse.db
    db.execute(
        "UPDATE ops.batches AS b SET loaded_run = ?, contract_version = ?, contract_sha256 = ?, "
        "keel_version = ?, loaded = n.loaded, unchanged = n.unchanged, "
        "quarantined = n.quarantined, "
        "state = CASE WHEN n.quarantined > 0 THEN 'partial' ELSE 'accepted' END "
        "FROM (SELECT p.batch_no, coalesce(m.loaded, 0) AS loaded, "
        "coalesce(m.unchanged, 0) AS unchanged, coalesce(q.quarantined, 0) AS quarantined "
        "FROM pending p LEFT JOIN merged_counts m ON m._batch = p.batch_no "
        "LEFT JOIN (SELECT batch_no, count(*) AS quarantined FROM ops.quarantine "
        f"WHERE feed = '{held.feed}' GROUP BY ALL) q ON q.batch_no = p.batch_no) n "
        "WHERE n.batch_no = b.batch_no",
        [run.run_id, held.version, held.sha256, __version__],
    )
    db.execute("DROP TABLE merged_counts")
    wrong = db.execute(
        "SELECT b.path FROM ops.batches b JOIN pending USING (batch_no) "
        "WHERE b.rows IS DISTINCT FROM b.loaded + b.unchanged + b.quarantined"
    ).fetchone()
    if wrong:
        raise KeelError(
            f"{wrong[0]}: its rows do not add up to loaded, unchanged and quarantined ones; "
            "nothing of this feed was loaded; please report this."
        )


def _summary(warehouse: Warehouse, feed: str, run: Run) -> FeedSummary:
    rows = warehouse.db.execute(
        "SELECT state, path, reason, unknown_columns, coalesce(loaded, 0), coalesce(unchanged, 0), "
        "coalesce(quarantined, 0) FROM ops.batches WHERE feed = ? AND loaded_run = ? ORDER BY path",
        [feed, run.run_id],
    ).fetchall()
    notes: list[str] = []
    for state, path, reason, unknown, *_ in rows:
        if state == "blocked":
            notes.append(f"{path} is blocked: {reason}; mend that and deliver it again.")
        elif state != "duplicate" and unknown:
            listed = ", ".join(unknown)
            notes.append(f"{path} has columns that no contract knows, kept in raw only: {listed}.")
    return FeedSummary(
        batches=Counter(str(row[0]) for row in rows),
        loaded=sum(row[4] for row in rows),
        unchanged=sum(row[5] for row in rows),
        quarantined=sum(row[6] for row in rows),
        notes=tuple(notes),
    )
