"""Every verdict as Parquet: one file a clinic and local month, sorted, so that the same verdicts
give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
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


def write_verdicts(warehouse: Warehouse, folder: Path) -> int:
    """Write FOLDER/clinic_id=C/month=YYYY-MM/part.parquet; gives how many verdicts there are.

    A clinic's id is percent-encoded in the path, as readers of such folders expect.
    """
    db = warehouse.db
    folder.mkdir()
    db.execute(
        "CREATE OR REPLACE TEMP TABLE placed AS SELECT (row_number() OVER (ORDER BY clinic_id, "
        "month, subject_kind, subject_id, protocol) - 1)::INTEGER AS place, * FROM "
        "(SELECT subject_no, clinic_id, subject_kind, subject_id, protocol, protocol_version, "
        "strftime(local_date, '%Y-%m') AS month FROM marts.subjects) ORDER BY place"
    )
    try:
        partitions = [
            _Partition(*row)
            for row in db.execute(
                "SELECT clinic_id, month, min(place), max(place) + 1 FROM placed "
                "GROUP BY ALL ORDER BY 3"
            ).fetchall()
        ]
        return sum(_write_chunk(warehouse, folder, chunk) for chunk in _chunks(partitions))
    finally:
        db.execute("DROP TABLE placed")


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


def _write_chunk(warehouse: Warehouse, folder: Path, chunk: list[_Partition]) -> int:
    start, end = chunk[0].start, chunk[-1].end
    parameters = {"start": start, "end": end}
    warehouse.db.complete()
    texts = warehouse.db.sql(
        f"SELECT {', '.join(_TEXTS)} FROM placed WHERE place >= $start AND place < $end "
        "ORDER BY place",
        params=parameters,
    ).to_arrow_table()
    rows = warehouse.db.sql(
        "SELECT place, rule_id, status::VARCHAR AS status, observed, waived FROM marts.verdicts "
        "JOIN placed USING (subject_no) JOIN (SELECT rule_no, rule_id FROM marts.rules) "
        "USING (rule_no) WHERE place >= $start AND place < $end ORDER BY place, rule_id",
        params=parameters,
    ).to_arrow_table()
    places = rows["place"].to_numpy()
    bounds = np.array([*(partition.start for partition in chunk), end], places.dtype)
    cuts = places.searchsorted(bounds)
    for partition, first, last in zip(chunk, cuts, cuts[1:], strict=False):
        own = texts.slice(partition.start - start, partition.end - partition.start)
        part = _partition(own, rows.slice(first, last - first), partition.start)
        target = folder / f"clinic_id={quote(partition.clinic_id, safe='')}"
        target = target / f"month={partition.month}"
        target.mkdir(parents=True)
        pq.write_table(part, target / "part.parquet", compression="zstd", store_schema=False)
    return len(rows)


def _partition(texts: pa.Table, rows: pa.Table, first: int) -> pa.Table:
    """A partition's rows, each with its subject's texts."""
    at = pa.array(rows["place"].to_numpy() - first, pa.int32())
    columns = {name: _repeated(texts[name].combine_chunks(), at) for name in _TEXTS}
    columns |= {name: rows[name].combine_chunks() for name in rows.column_names if name != "place"}
    return pa.table({name: columns[name] for name in _COLUMNS})


def _repeated(texts: pa.Array, at: pa.Array) -> pa.DictionaryArray:
    """Texts by their place. No text stands in the dictionary twice: for each one that does, Arrow
    writes stray bytes of memory into the file.
    """
    encoded = texts.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(at), encoded.dictionary)
