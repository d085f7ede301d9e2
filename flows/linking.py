"""Pairs of patient records that are likely one person's, by Splink, in a database of its own in
memory: what it compares is nowhere else, and only row numbers come back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.errors import KeelError
from flows.warehouse import scratch_database
from protocols.risk import Chance, Compared, People

if TYPE_CHECKING:
    from splink import SettingsCreator

PAIR = pl.Schema({"a": pl.Int64(), "b": pl.Int64()})
PAIRS_AT_ONCE = 4_000_000
_BLOCK = "block_"


def likely_pairs(records: pl.DataFrame, held: People) -> pl.DataFrame:
    """Row numbers a < b of records that are at least as likely as `held.threshold` one person's.

    `records`: `number`, and the compared columns as text, normalised. Raises KeelError when the
    comparison fails, without what it compared: an error of the database may quote a value.
    """
    in_blocks = blocked(records, held)
    pairs = pair_count(in_blocks)
    if not pairs:
        return PAIR.to_frame()  # to begin with Splink takes as long as a small network's night
    try:
        return _scored(in_blocks, held, -(-pairs // PAIRS_AT_ONCE))
    except Exception as error:
        raise KeelError(
            f"comparing patient records failed ({type(error).__name__}); look at `people` in "
            "protocols/risk.yaml and at the installed splink, run again."
        ) from None


def blocked(records: pl.DataFrame, held: People) -> pl.DataFrame:
    """The records with a column for each of `held.blocks`: the first number of those that have its
    columns in common, null where nobody else has, or more than `held.block_most`.
    """
    for name, columns in zip(_block_names(held), map(list, held.blocks), strict=True):
        shared = (
            records.drop_nulls(columns)
            .group_by(columns)
            .agg(pl.col("number").min().alias(name), _held=pl.len())
            .filter(pl.col("_held").is_between(2, held.block_most))
            .drop("_held")
        )
        records = records.join(shared, on=columns, how="left")
    return records


def pair_count(in_blocks: pl.DataFrame) -> int:
    """How many pairs have a block in common, those of several blocks counted in each."""
    names = [name for name in in_blocks.columns if name.startswith(_BLOCK)]
    sizes = (in_blocks[name].drop_nulls().value_counts()["count"].cast(pl.Int64) for name in names)
    return sum(int((size * (size - 1) // 2).sum()) for size in sizes)


def _block_names(held: People) -> list[str]:
    return [f"{_BLOCK}{number}" for number, _ in enumerate(held.blocks)]


def _scored(in_blocks: pl.DataFrame, held: People, chunks: int) -> pl.DataFrame:
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.ERROR)
    with scratch_database() as db:
        rows = DuckDBAPI(connection=db).register(in_blocks.to_arrow())
        linker = Linker(rows, _settings(held), log_level=None)
        scored = linker.inference.predict(
            threshold_match_probability=held.threshold, num_chunks_left=chunks
        )
        alike = " AND ".join(f"mw_{column} > 0" for column in held.needed)
        found = db.sql(
            "SELECT least(number_l, number_r)::BIGINT AS a, greatest(number_l, number_r)::BIGINT "
            f"AS b FROM {scored.physical_name} WHERE {alike} ORDER BY ALL"
        ).pl()
    assert isinstance(found, pl.DataFrame)
    return found


def _settings(held: People) -> SettingsCreator:
    from splink import SettingsCreator, block_on
    from splink.comparison_library import CustomComparison

    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="number",
        probability_two_random_records_match=held.prior,
        comparisons=[
            CustomComparison(output_column_name=of.column, comparison_levels=_levels(of))
            for of in held.compared
        ],
        blocking_rules_to_generate_predictions=[block_on(name) for name in _block_names(held)],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=True,
        linker_uid="people",
    )


def _levels(of: Compared) -> list[Any]:
    """Unknown, same, alike, other: each with its two chances."""
    left, right = f'"{of.column}_l"', f'"{of.column}_r"'
    unknown = {
        "sql_condition": f"{left} IS NULL OR {right} IS NULL", "is_null_level": True,
        "label_for_charts": "unknown",
    }  # fmt: skip
    known = [
        {
            "sql_condition": _alike(chance, left, right), "label_for_charts": name,
            "m_probability": chance.m, "u_probability": chance.u,
        }
        for name, chance in zip(("same", "alike"), of.chances, strict=False)
    ]  # fmt: skip
    rest = {name: 1 - sum(getattr(c, name) for c in of.chances) for name in ("m", "u")}
    other = {
        "sql_condition": "ELSE", "label_for_charts": "other", "m_probability": rest["m"],
        "u_probability": rest["u"],
    }  # fmt: skip
    return [unknown, *known, other]


def _alike(chance: Chance, left: str, right: str) -> str:
    if chance.similarity is not None:
        return f"jaro_winkler_similarity({left}, {right}) >= {chance.similarity}"
    if chance.errors is not None:
        return f"damerau_levenshtein({left}, {right}) <= {chance.errors}"
    return f"{left} = {right}"
