"""A feed's CSV files as typed rows in force, in SQL as one would write it by hand.

Types are the contract's, what cannot be read is null, and of a key's rows the one extracted last
counts. Local times without an offset are taken as they stand: the four conditions need only
differences, so the rival is spared Keel's work on time zones. Nothing is quarantined or kept raw.
"""

from __future__ import annotations

from pathlib import Path

from checks.contract import contract, contracts

SQL_TYPES = {
    "text": "VARCHAR",
    "time": "TIME",
    "int": "BIGINT",
    "number": "DOUBLE",
    "decimal": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def delivered(landing: Path) -> dict[str, list[str]]:
    """The feeds that have files, and the columns of those."""
    found: dict[str, list[str]] = {}
    for feed in contracts():
        files = sorted(landing.glob(f"*/{feed}_*.csv"))
        if files:
            with files[0].open(encoding="utf-8") as file:
                found[feed] = file.readline().strip().split(",")
    return found


def source(landing: Path, feed: str) -> str:
    """All of a feed's files, as text."""
    return (
        f"read_csv('{landing}/*/{feed}_*.csv', all_varchar = true, header = true, delim = ',', "
        "union_by_name = true, filename = true)"
    )


def typed(feed: str, columns: list[str], relation: str) -> str:
    """A SELECT of the typed rows in force."""
    held = contract(feed)
    types = {column.name: SQL_TYPES[column.type] for column in held.columns}
    clinic = "parse_path(filename)[-2]" if "clinic_id" not in columns else "clinic_id"
    shown = ", ".join(
        name if types[name] == "VARCHAR" else f"try_cast({name} AS {types[name]}) AS {name}"
        for name in columns
        if name in types and name != "clinic_id"
    )
    return (
        f"SELECT {clinic} AS clinic_id, {shown} FROM {relation} QUALIFY row_number() OVER "
        f"(PARTITION BY {clinic}, {held.id_column} ORDER BY extracted_at DESC) = 1"
    )
