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


def merge(warehouse: Warehouse, held: Contract, *, full: bool) -> None:
    """Merge `staged` into the feed's facts, and count in `merged_counts` what became of it.

    `full`: a key that the clinic's latest delivery does not hold is withdrawn.
    """
    db = warehouse.db
    _find_touched(warehouse, held)
    _gather_versions(warehouse, held)
    _break_ties(warehouse, held)
    _settle(warehouse, held)
    _write(warehouse, held)
    if full:
        _withdraw_absent(warehouse, held)
    for name in ("touched", "versions", "settled", "delivered"):
        db.execute(f"DROP TABLE IF EXISTS {name}")


def _find_touched(warehouse: Warehouse, held: Contract) -> None:
    """Keys that are more than a first and only row: known before, or staged more than once."""
    key = identifier(held.id_column)
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE touched AS WITH keys AS ("
        f"SELECT clinic_id, {key} AS id, count(*) AS times FROM staged GROUP BY ALL) "
        "SELECT clinic_id, id FROM keys WHERE times > 1 OR EXISTS ("
        f"SELECT 1 FROM facts.{held.feed} f WHERE f.{key} = keys.id "
        "AND f.clinic_id IS NOT DISTINCT FROM keys.clinic_id) OR EXISTS ("
        f"SELECT 1 FROM facts.{held.feed}_history h WHERE h.{key} = keys.id "
        "AND h.clinic_id IS NOT DISTINCT FROM keys.clinic_id)"
    )


def _of_touched(held: Contract, relation: str) -> str:
    key = identifier(held.id_column)
    return (
        f"EXISTS (SELECT 1 FROM touched t WHERE t.id = {relation}.{key} "
        f"AND t.clinic_id IS NOT DISTINCT FROM {relation}.clinic_id)"
    )


def _staged_columns(held: Contract) -> str:
    """A staged row as a fact; it was seen when its whole file was extracted."""
    columns = fact_columns(held)[:-3]
    listed = ", ".join(f"s.{identifier(name)}" for name in columns)
    return f"{listed}, s._at AS _extracted_at, d.delivered_at AS _seen_at, s._content"


def _gather_versions(warehouse: Warehouse, held: Contract) -> None:
    """All versions of touched keys, old and new, as facts with `_withdrawn` and `_new`."""
    db = warehouse.db
    db.execute(
        "CREATE OR REPLACE TEMP TABLE delivered AS SELECT b.batch_no, c.clinic_id, "
        "coalesce(b.extract_at, d.ends_at, b.first_seen_at) AS delivered_at "
        "FROM ops.batches b JOIN pending p USING (batch_no), "
        "(SELECT clinic_id FROM facts.clinics UNION SELECT clinic_id FROM staged "
        "UNION SELECT NULL) c "
        "LEFT JOIN keel_name_days d ON d.batch_no = b.batch_no "
        "AND d.clinic_id IS NOT DISTINCT FROM c.clinic_id"
    )
    old = ", ".join(identifier(name) for name in fact_columns(held))
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE versions AS "
        f"SELECT {old}, false AS _withdrawn, false AS _new FROM facts.{held.feed} f "
        f"WHERE {_of_touched(held, 'f')} UNION ALL "
        f"SELECT {old}, _withdrawn, false FROM facts.{held.feed}_history h "
        f"WHERE {_of_touched(held, 'h')} UNION ALL "
        f"SELECT {_staged_columns(held)}, coalesce(s.deleted, false), true FROM staged s "
        "JOIN delivered d ON d.batch_no = s._batch "
        "AND d.clinic_id IS NOT DISTINCT FROM s.clinic_id "
        f"WHERE {_of_touched(held, 's')}"
    )
    db.execute("ALTER TABLE versions ADD COLUMN _sha VARCHAR")


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
        "JOIN ops.batches b ON b.batch_no = v._batch"
    ).fetchall()
    if batches:
        db.execute(
            "CREATE OR REPLACE TEMP TABLE tied "
            "(batch_no INTEGER, clinic_id VARCHAR, file VARCHAR, again BOOLEAN)"
        )
        for number, batch_id, clinic in batches:
            file = str(raw_file(warehouse, clinic, held.feed, batch_id))
            db.execute("INSERT INTO tied VALUES (?, ?, ?, false)", [number, clinic, file])
        db.execute(
            f"UPDATE versions SET _sha = found.sha FROM (SELECT _batch, _row, {row_sha256(held)} "
            f"AS sha FROM ({raw_select(warehouse, held, 'tied')}) SEMI JOIN versions "
            "USING (_batch, _row)) found "
            "WHERE found._batch = versions._batch AND found._row = versions._row"
        )
        db.execute("DROP TABLE tied")
    db.execute("DROP TABLE ties")


def _settle(warehouse: Warehouse, held: Contract) -> None:
    """Versions that say the same as the one before are one; the last of a key counts."""
    key = identifier(held.id_column)
    order = "_extracted_at, _sha NULLS FIRST, _content, _withdrawn, _new, _batch, _row"
    mine = f"PARTITION BY clinic_id, {key}"
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE settled AS WITH compared AS ("
        f"SELECT *, coalesce(lag(_content) OVER w = _content "
        "AND lag(_withdrawn) OVER w = _withdrawn, false) AS _same FROM versions "
        f"WINDOW w AS ({mine} ORDER BY {order})), numbered AS ("
        f"SELECT *, sum(1 - _same::INTEGER) OVER ({mine} ORDER BY {order} "
        "ROWS UNBOUNDED PRECEDING) AS _version FROM compared) "
        f"SELECT *, max(_seen_at) OVER ({mine}) AS _last_seen, "
        f"max(_version) OVER ({mine}) AS _last_version, "
        f"last(extracted_at) OVER v AS _last_extracted, last(_extracted_at) OVER v AS _last_at "
        f"FROM numbered WINDOW v AS (PARTITION BY clinic_id, {key}, _version ORDER BY {order} "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
    )


def _write(warehouse: Warehouse, held: Contract) -> None:
    db, feed = warehouse.db, held.feed
    names = [identifier(name) for name in fact_columns(held)]
    changed = {
        '"extracted_at"': "_last_extracted",
        '"_extracted_at"': "_last_at",
        '"_seen_at"': "_last_seen",
    }
    settled = ", ".join(changed.get(name, name) for name in names)
    staged = _staged_columns(held)
    joined = (
        "FROM staged s JOIN delivered d ON d.batch_no = s._batch "
        "AND d.clinic_id IS NOT DISTINCT FROM s.clinic_id"
    )
    fresh = f"NOT {_of_touched(held, 's')}"
    touched_any = db.execute("SELECT count(*) FROM touched").fetchone()
    if touched_any and touched_any[0]:
        db.execute(f"DELETE FROM facts.{feed} WHERE {_of_touched(held, feed)}")
        db.execute(f"DELETE FROM facts.{feed}_history WHERE {_of_touched(held, f'{feed}_history')}")
        db.execute(
            f"INSERT INTO facts.{feed} SELECT {settled} FROM settled "
            "WHERE NOT _same AND _version = _last_version AND NOT _withdrawn"
        )
        db.execute(
            f"INSERT INTO facts.{feed}_history SELECT {settled}, _withdrawn FROM settled "
            "WHERE NOT _same AND (_version < _last_version OR _withdrawn)"
        )
    else:
        fresh = "true"
    alive = "NOT coalesce(s.deleted, false)"
    db.execute(f"INSERT INTO facts.{feed} SELECT {staged} {joined} WHERE {fresh} AND {alive}")
    db.execute(
        f"INSERT INTO facts.{feed}_history SELECT {staged}, true {joined} "
        f"WHERE {fresh} AND s.deleted"
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE merged_counts AS SELECT _batch, sum(loaded)::BIGINT "
        "AS loaded, sum(unchanged)::BIGINT AS unchanged FROM ("
        f"SELECT _batch, count(*) AS loaded, 0 AS unchanged FROM staged s WHERE {fresh} GROUP BY ALL "
        "UNION ALL SELECT _batch, count(*) FILTER (NOT _same), count(*) FILTER (_same) "
        "FROM settled WHERE _new GROUP BY ALL) GROUP BY ALL"
    )


def _withdraw_absent(warehouse: Warehouse, held: Contract) -> None:
    """In a full feed, keys that the clinic's latest delivery lacks; those in quarantine are there."""
    db, feed, key = warehouse.db, held.feed, identifier(held.id_column)
    db.execute(
        f"UPDATE facts.{feed} AS f SET _seen_at = greatest(f._seen_at, q.delivered_at) FROM ("
        "SELECT q.clinic_id, q.key_id, max(d.delivered_at) AS delivered_at FROM ops.quarantine q "
        "JOIN delivered d ON d.batch_no = q.batch_no "
        "AND d.clinic_id IS NOT DISTINCT FROM q.clinic_id GROUP BY ALL) q "
        f"WHERE q.key_id = f.{key} AND q.clinic_id IS NOT DISTINCT FROM f.clinic_id"
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE absent AS SELECT f.clinic_id, "
        f"f.{key} AS id FROM facts.{feed} f JOIN ("
        "SELECT clinic_id, max(_seen_at) AS latest FROM ("
        f"SELECT clinic_id, _seen_at FROM facts.{feed} UNION ALL "
        f"SELECT clinic_id, _seen_at FROM facts.{feed}_history UNION ALL "
        "SELECT d.clinic_id, d.delivered_at FROM delivered d JOIN ops.batches b USING (batch_no) "
        "WHERE b.clinic_id = d.clinic_id OR d.clinic_id IN "
        "(SELECT clinic_id FROM staged WHERE _batch = d.batch_no)) GROUP BY ALL) l "
        "ON l.clinic_id IS NOT DISTINCT FROM f.clinic_id WHERE f._seen_at < l.latest"
    )
    names = ", ".join(f"f.{identifier(name)}" for name in fact_columns(held))
    gone = f"a.id = f.{key} AND a.clinic_id IS NOT DISTINCT FROM f.clinic_id"
    db.execute(
        f"INSERT INTO facts.{feed}_history SELECT {names}, false FROM facts.{feed} f "
        f"JOIN absent a ON {gone}"
    )
    db.execute(f"DELETE FROM facts.{feed} AS f USING absent a WHERE {gone}")
    db.execute("DROP TABLE absent")
