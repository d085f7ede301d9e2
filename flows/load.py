"""A feed's landed batches become facts, in one transaction: typed, validated, merged, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.contract import Contract, contract
from checks.gx import CheckResult, validate
from checks.typing_sql import prepare_zones, typed_select
from flows import __version__
from flows.errors import KeelError
from flows.landing import UNKNOWN_CLINIC
from flows.merge import merge
from flows.raw import NETWORK, raw_file, raw_select
from flows.runs import Run
from flows.settings import Settings
from flows.sources import identifier, quoted
from flows.warehouse import Warehouse


@dataclass(frozen=True)
class FeedSummary:
    """What a night brought of one feed; `notes` are sentences about blocked files."""

    batches: Mapping[str, int] = field(default_factory=dict)
    loaded: int = 0
    unchanged: int = 0
    quarantined: int = 0
    notes: tuple[str, ...] = ()


def load_feed(warehouse: Warehouse, feed: str, run: Run, settings: Settings) -> FeedSummary:
    """Everything landed of a feed becomes facts and quarantined rows, or none of it does.

    Raises KeelError when a batch's rows do not add up, which leaves the feed as it was.
    """
    held = contract(feed)
    with warehouse.transaction():
        _block_unknown_clinics(warehouse, held, run)
    batches = _pending(warehouse, held)
    if batches:
        _stage(warehouse, held, batches)
        _mark_keys_twice(warehouse, held)
        checked = validate(warehouse.db, held, "staged")
        with warehouse.transaction():
            _keep_results(warehouse, held, run, checked)
            _note_extract_times(warehouse)
            _apply_gates(warehouse, held, run, settings)
            _quarantine(warehouse, held, run)
            merge(warehouse, held, full=_is_full(settings, feed))
            _release(warehouse, held, run)
            _count(warehouse, held, run)
            _drop(warehouse)
    return _summary(warehouse, feed, run)


def _is_full(settings: Settings, feed: str) -> bool:
    return feed in settings.feeds and settings.feeds[feed].mode == "full"


def _block_unknown_clinics(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """A folder that no clinics file names waits, blocked, until one does."""
    if held.feed == "clinics":
        return
    warehouse.db.execute(
        "UPDATE ops.batches SET state = 'blocked', reason = ?, loaded_run = ? "
        "WHERE state = 'landed' AND feed = ? AND clinic_id <> ? "
        "AND clinic_id NOT IN (SELECT clinic_id FROM facts.clinics)",
        [UNKNOWN_CLINIC, run.run_id, held.feed, NETWORK],
    )


def _pending(warehouse: Warehouse, held: Contract) -> list[tuple[int, str, str, bool]]:
    """(number, id, clinic, only its quarantined rows) of batches to load.

    Rows in quarantine are tried again when their contract or Keel changed.
    """
    rows = warehouse.db.execute(
        "SELECT batch_no, batch_id, clinic_id, state = 'partial' FROM ops.batches "
        "WHERE feed = ? AND (state = 'landed' OR (state = 'partial' AND quarantined > 0 "
        "AND (contract_sha256 <> ? OR keel_version <> ?))) ORDER BY batch_no",
        [held.feed, held.sha256, __version__],
    ).fetchall()
    return [(int(no), str(batch), str(clinic), bool(again)) for no, batch, clinic, again in rows]


def _stage(warehouse: Warehouse, held: Contract, batches: list[tuple[int, str, str, bool]]) -> None:
    """`staged`: every row of the batches, typed, with `_at`, the instant that orders versions."""
    db = warehouse.db
    db.execute(
        "CREATE OR REPLACE TEMP TABLE pending "
        "(batch_no INTEGER, clinic_id VARCHAR, file VARCHAR, again BOOLEAN)"
    )
    for number, batch_id, clinic, again in batches:
        file = str(raw_file(warehouse, clinic, held.feed, batch_id))
        db.execute("INSERT INTO pending VALUES (?, ?, ?, ?)", [number, clinic, file, again])
    listed = ", ".join(
        quoted(file) for (file,) in db.execute("SELECT file FROM pending").fetchall()
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE raw_counts AS SELECT p.batch_no, m.num_rows AS count "
        f"FROM parquet_file_metadata([{listed}]) m JOIN pending p ON p.file = m.file_name"
    )
    _prepare_local_times(warehouse, held)
    typed = typed_select(held, f"({raw_select(warehouse, held, 'pending')})")
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE staged AS SELECT s.*, "
        "coalesce(s.extracted_at, d.ends_at, b.first_seen_at) AS _at "
        f"FROM ({typed}) s JOIN ops.batches b ON b.batch_no = s._batch "
        "LEFT JOIN keel_name_days d ON d.batch_no = s._batch "
        "AND d.clinic_id IS NOT DISTINCT FROM s.clinic_id"
    )


def _prepare_local_times(warehouse: Warehouse, held: Contract) -> None:
    """Zones of the clinics, and for dates in files' names the end of that local day."""
    db = warehouse.db
    zones = {row[0] for row in db.execute("SELECT time_zone FROM facts.clinics").fetchall()}
    if held.feed == "clinics":
        listed = db.execute("SELECT file FROM pending").fetchall()
        for (file,) in listed:
            relation = f"read_parquet({quoted(file)})"
            names = {row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()}
            if "time_zone" in names:
                found = db.execute(f"SELECT DISTINCT time_zone FROM {relation}").fetchall()
                zones |= {row[0] for row in found if row[0]}
    prepare_zones(db, zones)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE keel_name_days AS "
        "SELECT b.batch_no, c.clinic_id, timezone(coalesce(c.time_zone, 'UTC'), "
        "(b.name_day + 1)::TIMESTAMP) - INTERVAL 1 MICROSECOND AS ends_at "
        "FROM ops.batches b JOIN pending p USING (batch_no), "
        "(SELECT clinic_id, time_zone FROM facts.clinics UNION ALL SELECT NULL, NULL) c "
        "WHERE b.name_day IS NOT NULL"
    )


def _mark_keys_twice(warehouse: Warehouse, held: Contract) -> None:
    """A key that stands twice in one file with different contents: neither row can be trusted."""
    key = identifier(held.id_column)
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT clinic_id, {key} AS id, _batch, "
        f"min(_content) <> max(_content) AS differs FROM staged WHERE {key} IS NOT NULL "
        f"GROUP BY ALL HAVING count(*) > 1"
    )
    warehouse.db.execute(
        f"UPDATE staged SET _problems = list_append(_problems, '{held.id_column}: key_twice') "
        f"FROM repeated r WHERE r.differs AND r.clinic_id IS NOT DISTINCT FROM staged.clinic_id "
        f"AND r.id = staged.{key} AND r._batch = staged._batch"
    )


def _note_extract_times(warehouse: Warehouse) -> None:
    warehouse.db.execute(
        "UPDATE ops.batches SET extract_at = greatest(extract_at, found.latest) FROM "
        "(SELECT _batch, max(extracted_at) AS latest FROM staged GROUP BY _batch) found "
        "WHERE found._batch = batch_no"
    )


def _keep_results(
    warehouse: Warehouse, held: Contract, run: Run, results: list[CheckResult]
) -> None:
    for result in results:
        warehouse.db.execute(
            "INSERT INTO ops.check_results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [run.run_id, held.feed, result.expectation_id, result.kind, result.column,
             result.severity, result.success, result.evaluated, result.unexpected],
        )  # fmt: skip


def _apply_gates(warehouse: Warehouse, held: Contract, run: Run, settings: Settings) -> None:
    """Block a batch with too many bad rows, or a full one that lacks too many it should have."""
    db = warehouse.db
    share = held.quarantine_share
    allowed = settings.quarantine_share if share is None else share
    bad = db.execute(
        "SELECT _batch, count(*), count(*) FILTER (len(_problems) > 0) FROM staged "
        "JOIN pending p ON p.batch_no = _batch WHERE NOT p.again GROUP BY _batch"
    ).fetchall()
    for batch, rows, failed in bad:
        if failed > allowed * rows:
            _block(warehouse, run, batch, f"{failed:,} of its {rows:,} rows would be quarantined, "
                   f"at most {allowed:.0%} may be")  # fmt: skip
    if not _is_full(settings, held.feed):
        return
    least = next(e.parameters["least_share"] for e in held.expectations if e.kind == "volume")
    short = db.execute(
        "SELECT p.batch_no, count(s._row), any_value(f.there) FROM pending p LEFT JOIN staged s "
        "ON s._batch = p.batch_no JOIN (SELECT clinic_id, count(*) AS there "
        f"FROM facts.{held.feed} GROUP BY ALL) f ON f.clinic_id = p.clinic_id "
        "WHERE NOT p.again GROUP BY ALL"
    ).fetchall()
    for batch, rows, there in short:
        if rows < least * there:
            _block(warehouse, run, batch, f"it has {rows:,} rows where {there:,} are known, and "
                   f"a full export has at least {least:.0%} of them")  # fmt: skip


def _block(warehouse: Warehouse, run: Run, batch: int, reason: str) -> None:
    db = warehouse.db
    db.execute("DELETE FROM staged WHERE _batch = ?", [batch])
    db.execute("DELETE FROM pending WHERE batch_no = ?", [batch])
    db.execute(
        "UPDATE ops.batches SET state = 'blocked', reason = ?, loaded_run = ?, "
        "contract_sha256 = ?, keel_version = ? WHERE batch_no = ?",
        [reason, run.run_id, _sha_of(warehouse, batch), __version__, batch],
    )


def _sha_of(warehouse: Warehouse, batch: int) -> str:
    row = warehouse.db.execute(
        "SELECT feed FROM ops.batches WHERE batch_no = ?", [batch]
    ).fetchone()
    assert row is not None
    return contract(row[0]).sha256


def _quarantine(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """Bad rows leave the stage for the quarantine; retried ones that are good now leave that."""
    db = warehouse.db
    key = identifier(held.id_column)
    session = "s.session_id" if "session_id" in held.names else "NULL"
    patient = "s.patient_id" if "patient_id" in held.names else "NULL"
    db.execute(
        "DELETE FROM ops.quarantine WHERE released_run IS NULL "
        "AND batch_no IN (SELECT batch_no FROM pending WHERE again)"
    )
    db.execute(
        "INSERT INTO ops.quarantine SELECT s._batch, b.batch_id, s.clinic_id, b.feed, s._row, "
        "NULL, NULL, "
        f"s.{key}, {session}, {patient}, s._problems, s._at, ?, NULL "
        "FROM staged s JOIN ops.batches b ON b.batch_no = s._batch WHERE len(s._problems) > 0 "
        "ORDER BY s._batch, s._row",
        [run.run_id],
    )
    db.execute("DELETE FROM staged WHERE len(_problems) > 0")
    foreign = db.execute(
        "SELECT batch_no, file FROM pending JOIN ops.batches USING (batch_no) "
        "WHERE source IS NOT NULL"
    ).fetchall()
    for batch, file in foreign:
        db.execute(
            "UPDATE ops.quarantine SET source_file = r._file, source_row = r._row FROM "
            f"read_parquet({quoted(file)}, file_row_number = true) r "
            "WHERE batch_no = ? AND row_number = r.file_row_number + 1",
            [batch],
        )


def _release(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """A quarantined row is over when a good row of its key was extracted later."""
    key = identifier(held.id_column)
    warehouse.db.execute(
        "UPDATE ops.quarantine AS q SET released_run = ? WHERE q.released_run IS NULL "
        f"AND q.feed = '{held.feed}' AND q.key_id IS NOT NULL AND EXISTS ("
        f"SELECT 1 FROM (SELECT clinic_id, {key} AS id, _extracted_at FROM facts.{held.feed} UNION ALL "
        f"SELECT clinic_id, {key}, _extracted_at FROM facts.{held.feed}_history) f "
        "WHERE f.clinic_id IS NOT DISTINCT FROM q.clinic_id AND f.id = q.key_id "
        "AND f._extracted_at > q.extracted_at)",
        [run.run_id],
    )


def _count(warehouse: Warehouse, held: Contract, run: Run) -> None:
    """Write each batch's outcome down; its rows must add up."""
    db = warehouse.db
    db.execute(
        "UPDATE ops.batches AS b SET loaded_run = ?, contract_version = ?, contract_sha256 = ?, "
        "keel_version = ?, rows = coalesce(b.rows, n.rows), "
        "loaded = coalesce(b.loaded, 0) + n.loaded, "
        "unchanged = coalesce(b.unchanged, 0) + n.unchanged, quarantined = n.quarantined, "
        "state = CASE WHEN n.quarantined > 0 THEN 'partial' ELSE 'accepted' END "
        "FROM (SELECT p.batch_no, p.rows, coalesce(m.loaded, 0) AS loaded, "
        "coalesce(m.unchanged, 0) AS unchanged, coalesce(q.quarantined, 0) AS quarantined "
        "FROM (SELECT batch_no, coalesce(count, 0) AS rows FROM pending LEFT JOIN raw_counts "
        "USING (batch_no)) p "
        "LEFT JOIN merged_counts m ON m._batch = p.batch_no "
        "LEFT JOIN (SELECT batch_no, count(*) AS quarantined FROM ops.quarantine "
        f"WHERE feed = '{held.feed}' GROUP BY ALL) q ON q.batch_no = p.batch_no) n "
        "WHERE n.batch_no = b.batch_no",
        [run.run_id, held.version, held.sha256, __version__],
    )
    wrong = db.execute(
        "SELECT b.path FROM ops.batches b JOIN pending USING (batch_no) "
        "WHERE b.rows <> b.loaded + b.unchanged + b.quarantined"
    ).fetchone()
    if wrong:
        raise KeelError(
            f"{wrong[0]}: its rows do not add up to loaded, unchanged and quarantined ones; "
            "nothing of this feed was loaded; please report this."
        )


def _drop(warehouse: Warehouse) -> None:
    for name in ("staged", "pending", "repeated", "merged_counts", "raw_counts"):
        warehouse.db.execute(f"DROP TABLE IF EXISTS {name}")


def _summary(warehouse: Warehouse, feed: str, run: Run) -> FeedSummary:
    rows = warehouse.db.execute(
        "SELECT state, path, reason, coalesce(loaded, 0), coalesce(unchanged, 0), "
        "coalesce(quarantined, 0) FROM ops.batches WHERE feed = ? AND loaded_run = ? ORDER BY path",
        [feed, run.run_id],
    ).fetchall()
    return FeedSummary(
        batches=Counter(str(row[0]) for row in rows),
        loaded=sum(row[3] for row in rows),
        unchanged=sum(row[4] for row in rows),
        quarantined=sum(row[5] for row in rows),
        notes=tuple(
            f"{row[1]} is blocked: {row[2]}; mend that and deliver it again."
            for row in rows
            if row[0] == "blocked"
        ),
    )
