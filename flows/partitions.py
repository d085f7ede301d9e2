"""Every verdict as Parquet: one file a clinic and local month, sorted, so that the same verdicts
give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.warehouse import Warehouse

CHUNK_SUBJECTS = 250_000
_TEXTS = ("clinic_id", "subject_kind", "subject_id", "protocol", "protocol_version", "month")
_COLUMNS = (
    "clinic_id", "subject_kind", "subject_id", "protocol", "protocol_version", "rule_id",
    "status", "observed", "waived", "month",
)  # fmt: skip


class _Partition(NamedTuple):
    """A clinic's month: the places of its subjects in the order of `placed`, `end` excluded."""

    clinic_id: str
    month: str
    start: int
    end: int


def write_verdicts(
    warehouse: Warehouse, folder: Path, earlier: Path | None = None, since: int = 0
) -> int:
    """Write FOLDER/clinic_id=C/month=YYYY-MM/part.parquet; gives how many verdicts there are.

    A month that no run after number `since` judged is a hard link to that of `earlier`, the
    verdicts of that run. A clinic's id is percent-encoded in the path, as readers of such folders
    expect.
    """
    db = warehouse.db
    folder.mkdir()
    linked = _link(warehouse, folder, earlier, since) if earlier is not None else []
    db.execute("CREATE OR REPLACE TEMP TABLE linked (clinic_id VARCHAR, month VARCHAR)")
    if linked:
        db.executemany("INSERT INTO linked VALUES (?, ?)", linked)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE placed AS SELECT (row_number() OVER (ORDER BY clinic_id, "
        "month, subject_kind, subject_id, protocol) - 1)::INTEGER AS place, * FROM "
        "(SELECT subject_no, clinic_id, subject_kind, subject_id, protocol, protocol_version, "
        "strftime(local_date, '%Y-%m') AS month FROM marts.subjects) "
        "ANTI JOIN linked USING (clinic_id, month) ORDER BY place"
    )
    db.execute(
        "CREATE OR REPLACE TEMP TABLE rule_ranks AS SELECT rule_no, rule_id, "
        "(dense_rank() OVER (ORDER BY rule_id) - 1)::INTEGER AS rule FROM marts.rules"
    )
    try:
        partitions = [
            _Partition(*row)
            for row in db.execute(
                "SELECT clinic_id, month, min(place), max(place) + 1 FROM placed "
                "GROUP BY ALL ORDER BY 3"
            ).fetchall()
        ]
        for chunk in _chunks(partitions):
            _write_chunk(warehouse, folder, chunk)
    finally:
        for table in ("linked", "placed", "rule_ranks"):
            db.execute(f"DROP TABLE {table}")
    row = db.execute("SELECT count(*) FROM marts.verdicts").fetchone()
    assert row is not None
    return int(row[0])


def _link(warehouse: Warehouse, folder: Path, earlier: Path, since: int) -> list[tuple[str, str]]:
    """Hard links to the months that did not change; where none can be made, there is none."""
    unchanged = warehouse.db.execute(
        "SELECT clinic_id, month FROM ops.partitions WHERE changed_seq <= ? ORDER BY ALL", [since]
    ).fetchall()
    linked = []
    for clinic_id, month in unchanged:
        there = earlier / _place(clinic_id, month)
        here = folder / _place(clinic_id, month)
        try:
            here.parent.mkdir(parents=True, exist_ok=True)
            here.hardlink_to(there)
        except OSError:
            continue
        linked.append((clinic_id, month))
    return linked


def _place(clinic_id: str, month: str) -> Path:
    return Path(f"clinic_id={quote(clinic_id, safe='')}", f"month={month}", "part.parquet")


def _chunks(partitions: list[_Partition]) -> Iterator[list[_Partition]]:
    """Partitions together, so that verdicts are read a few times and memory stays bounded."""
    chunk: list[_Partition] = []
    for partition in partitions:
        if chunk and partition.end - chunk[0].start > CHUNK_SUBJECTS:
            yield chunk
            chunk = []
        chunk.append(partition)
    if chunk:
        yield chunk


def _write_chunk(warehouse: Warehouse, folder: Path, chunk: list[_Partition]) -> None:
    start, end = chunk[0].start, chunk[-1].end
    within = "WHERE place >= $start AND place < $end"
    parameters = {"start": start, "end": end}
    warehouse.db.complete()
    texts = warehouse.db.sql(
        f"SELECT {', '.join(_TEXTS)} FROM placed {within} ORDER BY place", params=parameters
    ).to_arrow_table()
    rows = warehouse.db.sql(
        "SELECT place, rule, status, observed, waived FROM marts.verdicts "
        f"JOIN (SELECT subject_no, place FROM placed {within}) USING (subject_no) "
        "JOIN rule_ranks USING (rule_no) ORDER BY place, rule",
        params=parameters,
    ).to_arrow_table()
    rules = warehouse.db.sql(
        "SELECT DISTINCT rule, rule_id FROM rule_ranks ORDER BY rule"
    ).to_arrow_table()["rule_id"]
    places = rows["place"].to_numpy()
    bounds = np.array([*(partition.start for partition in chunk), end], places.dtype)
    cuts = places.searchsorted(bounds)
    for partition, first, last in zip(chunk, cuts, cuts[1:], strict=False):
        own = texts.slice(partition.start - start, partition.end - partition.start)
        part = _table(own, rows.slice(first, last - first), partition.start, rules)
        target = folder / _place(partition.clinic_id, partition.month)
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, target, compression="zstd", store_schema=False)


def _table(texts: pa.Table, rows: pa.Table, first: int, rules: pa.ChunkedArray) -> pa.Table:
    """A partition's rows, each with its subject's and its rule's texts."""
    at = pa.array(rows["place"].to_numpy() - first, pa.int32())
    columns = {name: _repeated(texts[name].combine_chunks(), at) for name in _TEXTS}
    status = rows["status"].combine_chunks()
    columns["rule_id"] = _named(rows["rule"].to_numpy(), rules.combine_chunks())
    columns["status"] = _named(status.indices.to_numpy(), status.dictionary)
    columns["observed"], columns["waived"] = rows["observed"], rows["waived"]
    return pa.table({name: columns[name] for name in _COLUMNS})


def _repeated(texts: pa.Array, at: pa.Array) -> pa.DictionaryArray:
    """Texts by their place. No text stands in the dictionary twice: for each one that does, Arrow
    writes stray bytes of memory into the file.
    """
    encoded = texts.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(at), encoded.dictionary)


def _named(codes: np.ndarray[tuple[int], np.dtype[Any]], names: pa.Array) -> pa.DictionaryArray:
    """Names by their code; only those that occur go into the file."""
    used = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    again = np.zeros(len(names), np.int32)
    again[used] = np.arange(len(used), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(again[codes], names.take(pa.array(used)))
