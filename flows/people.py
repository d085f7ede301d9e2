"""People across clinics: which patient records are one person's (`ops.people`).

Names, birth dates, addresses and telephone numbers are read here and compared; what is kept is
clinic, patient and a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import polars as pl

from flows.frames import fetched
from flows.linking import likely_pairs
from flows.touched import Touched, touch
from flows.warehouse import Warehouse
from protocols.risk import People

FOUND_BY = ("person_id", "keys", "scores")
# Letters and digits alone, without accents or case.
_PLAIN = "nullif(regexp_replace(strip_accents(lower({0})), '[^a-z0-9]', '', 'g'), '') AS {0}"
_TEXTS = ("given_name", "family_name", "postal_code")
_RECORDS = (
    f"SELECT clinic_id, patient_id, nullif(trim(person_id), '') AS person_id, "
    f"{', '.join(map(_PLAIN.format, _TEXTS))}, birth_date::VARCHAR AS birth_date, "
    "nullif(sex, 'U') AS sex, nullif(right(regexp_replace(phone, '[^0-9]', '', 'g'), 10), '') "
    "AS phone FROM facts.patients ORDER BY clinic_id, patient_id"
)
_DIGEST = "SELECT concat_ws('-', count(*), bit_xor(hash(clinic_id, patient_id, _content))) "


def find_people(warehouse: Warehouse, held: People, touched: Touched) -> None:
    """Replace `ops.people` if patients' records, or how they are compared, have changed; touches
    whoever is, or was, one of several records of a person."""
    db = warehouse.db
    row = db.execute(f"{_DIGEST} FROM facts.patients").fetchone()
    assert row is not None
    made = (row[0], sha256(held.model_dump_json().encode()).hexdigest())
    if db.execute("FROM ops.people_made").fetchall() == [made]:
        return
    found = people(fetched(warehouse, _RECORDS), held)
    touch(warehouse, touched, "SELECT clinic_id, patient_id FROM ops.people")
    db.execute("DELETE FROM ops.people")
    db.execute("INSERT INTO ops.people BY NAME SELECT * FROM found ORDER BY ALL")
    db.execute("DELETE FROM ops.people_made")
    db.execute("INSERT INTO ops.people_made VALUES (?, ?)", list(made))
    del found
    touch(warehouse, touched, "SELECT clinic_id, patient_id FROM ops.people")


def people(records: pl.DataFrame, held: People) -> pl.DataFrame:
    """clinic_id, patient_id, person, found_by of records whose person has another one.

    `records`: clinic_id, patient_id, person_id and the compared columns, normalised; null is
    unknown.
    """
    numbered = records.with_row_index("number").with_columns(pl.col("number").cast(pl.Int64))
    person_id = numbered["person_id"]
    pairs = pl.concat(
        [*(each.with_columns(by=pl.lit(by, pl.Int8)) for by, each in _pairs(numbered, held))]
    )
    known_other = pl.col("a_id") != pl.col("b_id")
    pairs = (
        pairs.with_columns(a_id=person_id.gather(pairs["a"]), b_id=person_id.gather(pairs["b"]))
        .filter(~known_other.fill_null(value=False))
        .select("a", "b", "by")
    )
    group = _components(pairs, records.height)
    ends = pl.concat([pairs.select(number=name, by="by") for name in ("a", "b")])
    surest = ends.group_by("number").agg(pl.col("by").min())
    return (
        numbered.select("number", "clinic_id", "patient_id")
        .with_columns(group=pl.Series(group))
        .join(surest, on="number")
        .sort("number")
        .select(
            "clinic_id",
            "patient_id",
            person=pl.col("group").rank("dense").cast(pl.Int64),
            found_by=pl.col("by").replace_strict(
                dict(enumerate(FOUND_BY)), return_dtype=pl.String()
            ),
        )
    )


def _pairs(records: pl.DataFrame, held: People) -> Iterator[tuple[int, pl.DataFrame]]:
    """Pairs by the way they were found, each with a number in FOUND_BY."""
    yield 0, _same(records, ["person_id"])
    for columns in held.keys:
        yield 1, _same(records, list(columns))
    compared = [of.column for of in held.compared]
    yield 2, likely_pairs(records.select("number", *compared), held)


def _same(records: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Each record that has all the columns, with the one before it that has the same."""
    known = records.drop_nulls(columns).sort("number")
    before = pl.col("number").shift(1).over(columns)
    return known.select(a=before, b="number").drop_nulls()


def _components(pairs: pl.DataFrame, records: int) -> np.ndarray:
    """Each record's group, numbered by its first record."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = (pairs["a"].to_numpy(), pairs["b"].to_numpy())
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), ends), shape=(records, records))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    return np.asarray(first[labels])
