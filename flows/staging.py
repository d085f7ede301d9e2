"""A feed's landed batches as one typed table, `staged`, and what each of them turns out to be."""

from __future__ import annotations

from dataclasses import dataclass

from checks.contract import Contract
from checks.typing_sql import prepare_zones, typed_select
from flows.raw import NETWORK, raw_file, raw_select
from flows.sources import identifier
from flows.warehouse import Warehouse

TABLES = ("pending", "name_days", "staged")


@dataclass(frozen=True)
class Batch:
    """A landed batch on its way."""

    number: int
    batch_id: str
    clinic_id: str
    path: str


def stage(warehouse: Warehouse, held: Contract, batches: list[Batch]) -> None:
    """`staged`: every row of the batches, typed, with `_at`, the instant that orders versions.

    `pending`: batch_no, clinic_id, file of each batch. Writes their extract times down.
    """
    db = warehouse.db
    db.execute(
        "CREATE OR REPLACE TEMP TABLE pending (batch_no INTEGER, clinic_id VARCHAR, file VARCHAR)"
    )
    db.executemany(
        "INSERT INTO pending VALUES (?, ?, ?)",
        [
            (b.number, b.clinic_id, str(raw_file(warehouse, b.clinic_id, held.feed, b.batch_id)))
            for b in batches
        ],
    )
    raw = raw_select(warehouse, held, "pending")
    _prepare_local_times(warehouse, held, raw)
    typed = typed_select(held, f"({raw})")
    db.execute(
        "CREATE OR REPLACE TEMP TABLE staged AS SELECT s.*, "
        "coalesce(s.extracted_at, d.ends_at, b.first_seen_at) AS _at "
        f"FROM ({typed}) s JOIN ops.batches b ON b.batch_no = s._batch "
        "LEFT JOIN name_days d ON d.batch_no = s._batch "
        "AND d.clinic_id IS NOT DISTINCT FROM s.clinic_id"
    )
    _mark_keys_twice(warehouse, held)


def note_extract_times(warehouse: Warehouse, mode: str) -> None:
    """When each pending batch was extracted: its latest row, its name's day or when first seen."""
    warehouse.db.execute(
        "UPDATE ops.batches AS b SET mode = ?, extract_at = f.latest, "
        "delivered_at = coalesce(f.latest, f.ends_at, b.first_seen_at) FROM ("
        "SELECT p.batch_no, any_value(d.ends_at) AS ends_at, any_value(s.latest) AS latest "
        "FROM pending p LEFT JOIN name_days d ON d.batch_no = p.batch_no "
        f"AND d.clinic_id IS NOT DISTINCT FROM nullif(p.clinic_id, '{NETWORK}') "
        "LEFT JOIN (SELECT _batch, max(extracted_at) AS latest FROM staged GROUP BY ALL) s "
        "ON s._batch = p.batch_no GROUP BY ALL) f WHERE f.batch_no = b.batch_no",
        [mode],
    )


def unstage(warehouse: Warehouse, number: int) -> None:
    """Leave a batch out."""
    warehouse.db.execute("DELETE FROM staged WHERE _batch = ?", [number])
    warehouse.db.execute("DELETE FROM pending WHERE batch_no = ?", [number])


def drop_stage(warehouse: Warehouse) -> None:
    """Give the stage's memory back."""
    for name in TABLES:
        warehouse.db.execute(f"DROP TABLE IF EXISTS {name}")


def _prepare_local_times(warehouse: Warehouse, held: Contract, raw: str) -> None:
    """Zones of the clinics, and for days in files' names the last instant of that local day."""
    db = warehouse.db
    known = "SELECT p.batch_no, c.clinic_id, c.time_zone FROM pending p, facts.clinics c"
    if held.feed == "clinics":
        known = (
            "SELECT _batch AS batch_no, _clinic_id AS clinic_id, max(_zone) AS time_zone "
            f"FROM ({raw}) WHERE _clinic_id IS NOT NULL GROUP BY ALL"
        )
    db.execute(f"CREATE OR REPLACE TEMP TABLE name_days AS {known}")
    zones = db.execute("SELECT DISTINCT time_zone FROM name_days").fetchall()
    prepare_zones(db, {zone for (zone,) in zones if zone})
    db.execute(
        "CREATE OR REPLACE TEMP TABLE name_days AS SELECT b.batch_no, c.clinic_id, timezone("
        "coalesce(z.zone, 'UTC'), (b.name_day + 1)::TIMESTAMP) - INTERVAL 1 MICROSECOND "
        "AS ends_at FROM ops.batches b JOIN (SELECT * FROM name_days UNION ALL "
        "SELECT batch_no, NULL, NULL FROM pending) c USING (batch_no) "
        "LEFT JOIN keel_zones z ON z.zone = c.time_zone WHERE b.name_day IS NOT NULL"
    )


def _mark_keys_twice(warehouse: Warehouse, held: Contract) -> None:
    """A key that stands twice in one file with different contents: neither row can be trusted."""
    db, key = warehouse.db, identifier(held.id_column)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE repeated AS SELECT clinic_id, "
        f"{key} AS id, _batch FROM staged WHERE {key} IS NOT NULL "
        "AND hash(_batch, clinic_id, " + key + ") IN (SELECT h FROM (SELECT "
        f"hash(_batch, clinic_id, {key}) AS h FROM staged) GROUP BY h HAVING count(*) > 1) "
        "GROUP BY ALL HAVING min(_content) <> max(_content)"
    )
    db.execute(
        f"UPDATE staged SET _problems = list_append(_problems, '{held.id_column}: key_twice') "
        "FROM repeated r WHERE r.clinic_id IS NOT DISTINCT FROM staged.clinic_id "
        f"AND r.id = staged.{key} AND r._batch = staged._batch"
    )
    db.execute("DROP TABLE repeated")
