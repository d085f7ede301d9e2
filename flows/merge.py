"""Good rows become versions of facts: corrections, withdrawals, rows that say nothing new.

Of each key the version extracted last is in force, ties going to the greater SHA-256; the others
are history. The outcome depends on what was delivered, never on the order in which it came.
"""

from __future__ import annotations

from checks.contract import Contract
from checks.typing_sql import row_sha256
from flows.raw import raw_file, raw_select
from flows.sources import identifier
from flows.warehouse import Warehouse, fact_columns


def merge(warehouse: Warehouse, held: Contract) -> None:
    """Merge `staged` into the feed's facts, and count in `merged_counts` what became of it.

    A key that its folder's latest full delivery does not hold is withdrawn.
    """
    _find_touched(warehouse, held)
    _gather_versions(warehouse, held)
    _break_ties(warehouse, held)
    _settle(warehouse, held)
    _write(warehouse, held)
    _withdraw_absent(warehouse, held)
    for name in ("touched", "versions", "settled"):
        warehouse.db.execute(f"DROP TABLE IF EXISTS {name}")


def _find_touched(warehouse: Warehouse, held: Contract) -> None:
    """Hashes of keys that are more than a first and only row: known before, or staged twice.

    Two keys of one hash are both touched, which costs a moment and changes nothing.
    """
    mine = _hash(held)
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS WITH keys AS (SELECT {mine} AS h, "
        "count(*) AS times FROM staged GROUP BY ALL) SELECT h FROM keys WHERE times > 1 "
        f"OR h IN (SELECT {mine} FROM facts.{held.feed}) "
        f"OR h IN (SELECT {mine} FROM facts.{held.feed}_history)"
    )


def _hash(held: Contract) -> str:
    return f"hash(clinic_id, {identifier(held.id_column)})"


def _of_touched(held: Contract) -> str:
    return f"{_hash(held)} IN (SELECT h FROM touched)"


def _as_fact(held: Contract) -> str:
    """A staged row as a fact; its key was seen when its whole file was extracted."""
    own = [identifier(name) for name in fact_columns(held) if not name.startswith("_")]
    return (
        f"{', '.join(own)}, _batch, _row, _batch AS _last_batch, _row AS _last_row, "
        "_at AS _extracted_at, greatest(_at, CASE WHEN b.mode = 'full' THEN b.delivered_at END) "
        "AS _seen_at, _content"
    )


_DELIVERED = "JOIN (SELECT batch_no, mode, delivered_at FROM ops.batches) b ON b.batch_no = _batch"


def _gather_versions(warehouse: Warehouse, held: Contract) -> None:
    """All versions of touched keys, old and new, as facts with `_withdrawn` and `_new`."""
    old = ", ".join(identifier(name) for name in fact_columns(held))
    touched = _of_touched(held)
    warehouse.db.execute(
        f"CREATE OR REPLACE TEMP TABLE versions AS SELECT {old}, false AS _withdrawn, "
        f"false AS _new, NULL::VARCHAR AS _sha FROM facts.{held.feed} WHERE {touched} UNION ALL "
        f"SELECT {old}, _withdrawn, false, NULL FROM facts.{held.feed}_history WHERE {touched} "
        f"UNION ALL SELECT {_as_fact(held)}, coalesce(deleted, false), true, NULL "
        f"FROM staged {_DELIVERED} WHERE {touched}"
    )


def _break_ties(warehouse: Warehouse, held: Contract) -> None:
    """Where two versions were extracted at one instant, fetch the SHA-256 of their raw rows."""
    db, key = warehouse.db, identifier(held.id_column)
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE ties AS SELECT clinic_id, {key} AS id, _extracted_at "
        "FROM versions GROUP BY ALL HAVING min(_content) <> max(_content)"
    )
    batches = db.execute(
        "SELECT DISTINCT b.batch_no, b.batch_id, b.clinic_id FROM versions v "
        f"JOIN ties t ON t.id = v.{key} AND t.clinic_id IS NOT DISTINCT FROM v.clinic_id "
        "AND t._extracted_at = v._extracted_at JOIN ops.batches b ON b.batch_no = v._last_batch"
    ).fetchall()
    if batches:
        db.execute(
            "CREATE OR REPLACE TEMP TABLE tied (batch_no INTEGER, clinic_id VARCHAR, file VARCHAR)"
        )
        db.executemany(
            "INSERT INTO tied VALUES (?, ?, ?)",
            [
                (number, clinic, str(raw_file(warehouse, clinic, held.feed, batch_id)))
                for number, batch_id, clinic in batches
            ],
        )
        db.execute(
            f"UPDATE versions SET _sha = found.sha FROM (SELECT _batch, _row, {row_sha256(held)} "
            f"AS sha FROM ({raw_select(warehouse, held, 'tied')}) "
            "WHERE (_batch, _row) IN (SELECT (_last_batch, _last_row) FROM versions)) found "
            "WHERE found._batch = versions._last_batch AND found._row = versions._last_row"
        )
        db.execute("DROP TABLE tied")
    db.execute("DROP TABLE ties")


def _settle(warehouse: Warehouse, held: Contract) -> None:
    """Versions that say the same as the one before are one; the last of a key counts.

    What was there before stays the one that brought a version; `_kept` is one row of each version.
    """
    key = identifier(held.id_column)
    order = "_extracted_at, _sha NULLS FIRST, _content, _withdrawn, _last_batch, _last_row"
    mine = f"PARTITION BY clinic_id, {key}"
    last = "last({0}) OVER v AS {1}"
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE settled AS WITH compared AS ("
        f"SELECT *, coalesce(lag(_content) OVER w = _content "
        "AND lag(_withdrawn) OVER w = _withdrawn, false) AS _same FROM versions "
        f"WINDOW w AS ({mine} ORDER BY {order})), numbered AS ("
        f"SELECT *, sum(1 - _same::INTEGER) OVER ({mine} ORDER BY {order} "
        "ROWS UNBOUNDED PRECEDING) AS _version FROM compared) "
        f"SELECT *, max(_seen_at) OVER ({mine}) AS _at_last_seen, "
        f"max(_version) OVER ({mine}) AS _at_last_version, "
        "row_number() OVER (PARTITION BY clinic_id, " + key + ", _version "
        "ORDER BY _new, _batch, _row) = 1 AS _kept, "
        f"{last.format('extracted_at', '_at_last_extracted_at')}, "
        f"{last.format('_extracted_at', '_at_last_at')}, "
        f"{last.format('_last_batch', '_at_last_batch')}, "
        f"{last.format('_last_row', '_at_last_row')} "
        f"FROM numbered WINDOW v AS (PARTITION BY clinic_id, {key}, _version ORDER BY {order} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    )


def _write(warehouse: Warehouse, held: Contract) -> None:
    db, feed = warehouse.db, held.feed
    touched = _of_touched(held)
    said_last = {
        "extracted_at": "_at_last_extracted_at",
        "_last_batch": "_at_last_batch",
        "_last_row": "_at_last_row",
        "_extracted_at": "_at_last_at",
        "_seen_at": "_at_last_seen",
    }
    settled = ", ".join(said_last.get(name, identifier(name)) for name in fact_columns(held))
    in_force = "_version = _at_last_version AND NOT _withdrawn"
    fresh = "true"
    if _any(warehouse, "touched"):
        fresh = f"NOT {touched}"
        db.execute(f"DELETE FROM facts.{feed} WHERE {touched}")
        db.execute(f"DELETE FROM facts.{feed}_history WHERE {touched}")
        db.execute(
            f"INSERT INTO facts.{feed} SELECT {settled} FROM settled WHERE _kept AND {in_force} "
            "ORDER BY _batch, _row"
        )
        db.execute(
            f"INSERT INTO facts.{feed}_history SELECT {settled}, _withdrawn, false FROM settled "
            f"WHERE _kept AND NOT ({in_force}) ORDER BY _batch, _row"
        )
    rows = f"FROM staged {_DELIVERED} WHERE {fresh}"
    alive = "NOT coalesce(deleted, false)"
    db.execute(f"INSERT INTO facts.{feed} SELECT {_as_fact(held)} {rows} AND {alive}")
    db.execute(
        f"INSERT INTO facts.{feed}_history SELECT {_as_fact(held)}, true, false {rows} AND deleted"
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE merged_counts AS SELECT _batch, sum(loaded)::BIGINT "
        "AS loaded, sum(unchanged)::BIGINT AS unchanged FROM ("
        f"SELECT _batch, count(*) AS loaded, 0 AS unchanged FROM staged WHERE {fresh} "
        "GROUP BY ALL UNION ALL SELECT _batch, count(*) FILTER (_kept), "
        "count(*) FILTER (NOT _kept) FROM settled WHERE _new GROUP BY ALL) GROUP BY ALL"
    )


def _withdraw_absent(warehouse: Warehouse, held: Contract) -> None:
    """Keys move between facts and history as their folder's latest full delivery holds them.

    A key in a full delivery's quarantine is there all the same.
    """
    db, feed, key = warehouse.db, held.feed, identifier(held.id_column)
    full = db.execute(
        "SELECT 1 FROM ops.batches b LEFT JOIN pending p USING (batch_no) WHERE b.feed = ? "
        "AND b.mode = 'full' AND (p.batch_no IS NOT NULL OR b.state IN ('accepted', 'partial')) "
        "LIMIT 1",
        [feed],
    ).fetchone()
    if full is None:
        return
    names = ", ".join(f"f.{identifier(name)}" for name in fact_columns(held))
    gone = (
        "JOIN ops.batches b ON b.batch_no = f._last_batch JOIN ("
        "SELECT clinic_id, max(delivered_at) AS latest FROM ops.batches LEFT JOIN pending p "
        f"USING (batch_no, clinic_id) WHERE feed = '{feed}' AND mode = 'full' "
        "AND (p.batch_no IS NOT NULL OR state IN ('accepted', 'partial')) GROUP BY ALL) l "
        "ON l.clinic_id = b.clinic_id LEFT JOIN (SELECT q.clinic_id, q.key_id, "
        "max(q.delivered_at) AS seen FROM ops.quarantine q JOIN ops.batches d USING (batch_no) "
        f"WHERE q.feed = '{feed}' AND d.mode = 'full' GROUP BY ALL) q ON q.key_id = f.{key} "
        "AND q.clinic_id IS NOT DISTINCT FROM f.clinic_id"
    )
    absent = "greatest(f._seen_at, q.seen) < l.latest"
    db.execute(
        "CREATE OR REPLACE TEMP TABLE moved AS "
        f"SELECT {names}, true AS _leaves FROM facts.{feed} f {gone} WHERE {absent} UNION ALL "
        f"SELECT {names}, false FROM facts.{feed}_history f {gone} "
        f"WHERE f._absent AND NOT ({absent})"
    )
    if _any(warehouse, "moved"):
        where = "(_batch, _row) IN (SELECT (_batch, _row) FROM moved WHERE {0})"
        db.execute(f"DELETE FROM facts.{feed} WHERE {where.format('_leaves')}")
        db.execute(f"DELETE FROM facts.{feed}_history WHERE {where.format('NOT _leaves')}")
        left = "* EXCLUDE (_leaves)"
        db.execute(
            f"INSERT INTO facts.{feed}_history SELECT {left}, false, true FROM moved WHERE _leaves"
        )
        db.execute(f"INSERT INTO facts.{feed} SELECT {left} FROM moved WHERE NOT _leaves")
    db.execute("DROP TABLE moved")


def _any(warehouse: Warehouse, table: str) -> bool:
    return warehouse.db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None
