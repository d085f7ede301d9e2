"""What has come, been corrected or gone since the marts were last judged, and whose it is.

`ops.judged_batches` remembers the deliveries that the marts rest on. A key that a delivery since
then touched is corrected when a delivery from before had it, else it is new.
"""

from __future__ import annotations

from collections.abc import Iterable

from checks.contract import Contract, contract
from flows.raw import raw_file, raw_select
from flows.runs import Run
from flows.sources import identifier
from flows.warehouse import Warehouse

_ALIVE = "b.state IN ('accepted', 'partial')"
_COUNTS = ("loaded", "unchanged", "quarantined")
_CAME = "(SELECT batch_no FROM moved_batches WHERE NOT gone)"


def find_touched(warehouse: Warehouse, feeds: Iterable[str]) -> None:
    """Make `touched_rows`: one row is a version of a key that a delivery since the last judging
    brought, corrected or took away; a row in its quarantine is one, which is `lost`. Where it is
    not `timed`, nothing is known of its event; else a null one means that it has none.
    """
    db = warehouse.db
    _find_moved(warehouse)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE touched_rows (feed VARCHAR, clinic_id VARCHAR, "
        "key_id VARCHAR, session_id VARCHAR, patient_id VARCHAR, corrected BOOLEAN, "
        "event_at TIMESTAMPTZ, charted_at TIMESTAMPTZ, delivered_at TIMESTAMPTZ, "
        "timed BOOLEAN DEFAULT true, lost BOOLEAN DEFAULT false)"
    )
    moved = {row[0] for row in db.execute("SELECT DISTINCT feed FROM moved_batches").fetchall()}
    for feed in sorted(moved.intersection(feeds)):
        held = contract(feed)
        _add_versions(warehouse, held)
        _add_absent(warehouse, held)
        _add_quarantined(warehouse, held)
        _add_gone(warehouse, held)
    db.execute("DROP TABLE moved_batches")


def remember_batches(warehouse: Warehouse, run: Run) -> None:
    """Write down which deliveries the marts now rest on."""
    warehouse.db.execute("DELETE FROM ops.judged_batches")
    warehouse.db.execute(
        f"INSERT INTO ops.judged_batches SELECT ?, batch_no, {', '.join(_COUNTS)} "
        f"FROM ops.batches b WHERE {_ALIVE} ORDER BY batch_no",
        [run.run_id],
    )


def _find_moved(warehouse: Warehouse) -> None:
    """`moved_batches`: deliveries that came or were read anew since, and those `gone`."""
    columns = ("batch_no", *_COUNTS)
    changed = " OR ".join(f"j.{name} IS DISTINCT FROM b.{name}" for name in columns)
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE moved_batches AS "
        f"SELECT b.batch_no, b.batch_id, b.clinic_id, b.feed, NOT ({_ALIVE}) AS gone "
        "FROM ops.batches b LEFT JOIN ops.judged_batches j ON j.batch_no = b.batch_no "
        f"WHERE CASE WHEN {_ALIVE} THEN {changed} ELSE j.batch_no IS NOT NULL END"
    )


def _add_versions(warehouse: Warehouse, held: Contract) -> None:
    """Every version of each key that a delivery since brought a version of."""
    key = f"hash(f.clinic_id, f.{identifier(held.id_column)})"
    tables = {held.feed: "true", f"{held.feed}_history": "false"}
    touched = " UNION ALL ".join(
        f"SELECT {key} FROM facts.{table} f WHERE f._batch IN {_CAME}" for table in tables
    )
    versions = " UNION ALL ".join(
        f"SELECT {whose(held)}, f._batch IN {_CAME} AS _fresh, {event_at(held)} AS event_at, "
        f"CASE WHEN {in_force} THEN f.recorded_at END AS charted_at, "
        f"CASE WHEN {in_force} THEN f._extracted_at END AS delivered_at "
        f"FROM facts.{table} f LEFT JOIN facts.clinics z ON z.clinic_id = f.clinic_id "
        f"WHERE {key} IN ({touched})"
        for table, in_force in tables.items()
    )
    warehouse.db.execute(
        f"INSERT INTO touched_rows BY NAME SELECT '{held.feed}' AS feed, * EXCLUDE (_fresh) "
        "REPLACE (CASE WHEN _fresh THEN charted_at END AS charted_at, "
        "CASE WHEN _fresh THEN delivered_at END AS delivered_at), "
        f"bool_or(NOT _fresh) OVER w AS corrected FROM ({versions}) "
        "WINDOW w AS (PARTITION BY clinic_id, key_id) QUALIFY bool_or(_fresh) OVER w"
    )


def _add_absent(warehouse: Warehouse, held: Contract) -> None:
    """Keys that a full delivery since lacks, and none before lacked."""
    warehouse.db.execute(
        f"INSERT INTO touched_rows BY NAME SELECT '{held.feed}' AS feed, {whose(held)}, "
        f"true AS corrected, {event_at(held)} AS event_at FROM facts.{held.feed}_history f "
        "LEFT JOIN facts.clinics z ON z.clinic_id = f.clinic_id "
        "JOIN ops.batches l ON l.batch_no = f._last_batch LEFT JOIN (SELECT d.clinic_id, "
        "max(d.delivered_at) AS latest FROM ops.judged_batches JOIN ops.batches d USING (batch_no) "
        f"WHERE d.feed = '{held.feed}' AND d.mode = 'full' GROUP BY ALL) b "
        "ON b.clinic_id = l.clinic_id "
        "WHERE f._absent AND (b.latest IS NULL OR b.latest <= f._seen_at)"
    )


def _add_quarantined(warehouse: Warehouse, held: Contract) -> None:
    """Rows that came since and cannot be read: they too can change what is known."""
    warehouse.db.execute(
        "INSERT INTO touched_rows BY NAME SELECT feed, clinic_id, key_id, session_id, patient_id, "
        "false AS corrected, false AS timed, true AS lost FROM ops.quarantine "
        f"WHERE batch_no IN {_CAME} AND feed = ? AND clinic_id IS NOT NULL",
        [held.feed],
    )


def _add_gone(warehouse: Warehouse, held: Contract) -> None:
    """Rows of deliveries that count no more, from their raw files; a purged one tells nothing."""
    db = warehouse.db
    gone = db.execute(
        "SELECT batch_no, clinic_id, batch_id FROM moved_batches WHERE gone AND feed = ?",
        [held.feed],
    ).fetchall()
    kept = [
        (number, clinic, str(path))
        for number, clinic, batch_id in gone
        if (path := raw_file(warehouse, clinic, held.feed, batch_id)).exists()
    ]
    if not kept:
        return
    db.execute(
        "CREATE OR REPLACE TEMP TABLE gone (batch_no INTEGER, clinic_id VARCHAR, file VARCHAR)"
    )
    db.executemany("INSERT INTO gone VALUES (?, ?, ?)", kept)
    db.execute(
        f"INSERT INTO touched_rows BY NAME SELECT '{held.feed}' AS feed, "
        f"{whose(held).replace('f.clinic_id', 'f._clinic_id', 1)}, true AS corrected, "
        f"false AS timed FROM ({raw_select(warehouse, held, 'gone')}) f"
    )
    db.execute("DROP TABLE gone")


def whose(held: Contract) -> str:
    """clinic_id, key_id, session_id, patient_id of a row `f`."""
    key, there = identifier(held.id_column), held.names
    session = "f.session_id" if "session_id" in there else "NULL"
    patient = "f.patient_id" if "patient_id" in there else "NULL"
    return (
        f"f.clinic_id AS clinic_id, f.{key} AS key_id, {session} AS session_id, "
        f"{patient} AS patient_id"
    )


def event_at(held: Contract) -> str:
    """Instant of a row's event; a date's is its midnight at the clinic (`z`)."""
    if held.event_time is None:
        return "NULL::TIMESTAMPTZ"
    if held.feed == "contacts":
        return "coalesce(f.started_at, f.scheduled_at)"
    at = f"f.{identifier(held.event_time)}"
    if held.column(held.event_time).type == "date":
        return f"timezone(z.time_zone, {at}::TIMESTAMP)"
    return at


def find_arrivals(warehouse: Warehouse) -> None:
    """Make `arrivals` of `touched_rows`: one row is a feed, and a row, session, patient or clinic
    (`whose`, `clinic_id`, `id`) of which rows are new or corrected. A row of every clinic is each
    clinic's, vitals are of their session's patient.

    `new_from` and `corrected_from` are the earliest event among them: null when there are none,
    -infinity when it is not known. `late_hours` is the longest time from an event to its charting
    (`charted`), else to its delivery, among new versions in force.
    """
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE arrivals AS WITH known AS ("
        "SELECT t.* REPLACE (coalesce(t.patient_id, s.patient_id) AS patient_id) "
        "FROM touched_rows t LEFT JOIN facts.sessions s ON t.patient_id IS NULL "
        "AND s.clinic_id = t.clinic_id AND s.session_id = t.session_id), "
        "placed AS (SELECT * FROM known WHERE clinic_id IS NOT NULL UNION ALL "
        "SELECT k.* REPLACE (c.clinic_id AS clinic_id) FROM known k CROSS JOIN facts.clinics c "
        "WHERE k.clinic_id IS NULL), owned AS (SELECT *, "
        "epoch(coalesce(charted_at, delivered_at) - event_at) / 3600 AS hours, unnest(["
        "{'whose': 'row', 'id': key_id}, {'whose': 'session', 'id': session_id}, "
        "{'whose': 'patient', 'id': patient_id}, {'whose': 'clinic', 'id': clinic_id}], "
        "recursive := true) FROM placed) "
        "SELECT feed, whose, clinic_id, id, "
        "min(coalesce(event_at, '-infinity')) FILTER (corrected) AS corrected_from, "
        "min(coalesce(event_at, '-infinity')) FILTER (NOT corrected) AS new_from, "
        "max(hours) AS late_hours, arg_max(charted_at IS NOT NULL, hours) AS charted "
        "FROM owned WHERE id IS NOT NULL GROUP BY ALL"
    )
