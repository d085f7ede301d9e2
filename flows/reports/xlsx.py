"""The report as a spreadsheet: figures, lists to filter, and what the words mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.audit import head
from flows.reports import figures, queries
from flows.reports.sheets import LISTINGS, MOST_ROWS, Columns, Listing
from flows.reports.terms import TERMS
from flows.reports.workbook import Book, Shown, workbook

if TYPE_CHECKING:
    import duckdb

_FETCHED = 5_000
_SUMMARY: Columns = (
    ("Figure", "long"), ("Value", "count"), ("Numerator", "count"), ("Denominator", "count"),
    ("Low, 95 %", "share"), ("High, 95 %", "share"), ("Note", "long"),
)  # fmt: skip
_CLINICS: Columns = (
    ("Clinic", "text"), ("Name", "long"), ("Compliant share", "share"), ("Low, 95 %", "share"),
    ("High, 95 %", "share"), ("Compliant", "count"), ("Decided", "count"), ("Judged", "count"),
    ("Incomplete", "count"), ("Pending", "count"), ("Critical not met", "count"),
    ("Major not met", "count"), ("Last delivery", "date"),
)  # fmt: skip
_RULES: Columns = (
    ("Protocol", "text"), ("Version", "text"), ("Rule", "long"), ("Severity", "text"),
    ("Tier", "text"), ("Rate", "share"), ("Low, 95 %", "share"), ("High, 95 %", "share"),
    ("Met", "count"), ("Met + not met", "count"), ("Not met", "count"), ("Waived", "count"),
    ("Not evaluable", "count"), ("Completeness", "share"), ("Pending", "count"),
    ("Target", "share"), ("Source", "long"),
)  # fmt: skip
_DEFINITIONS: Columns = (("Word", "text"), ("Meaning", "long"))
_Rows = Iterator[Sequence[Any]]


def write_xlsx(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the spreadsheet from the published tables (schemas marts and ops)."""
    run = queries.last_run(db)
    made = run["as_of"].astimezone(UTC)
    with workbook(path, f"Keel run {run['run_id']}, as of {made:%Y-%m-%d %H:%M} UTC", made) as book:
        book.sheet("Summary", "The network in a few figures.", _SUMMARY, _summary(db, run))
        book.sheet("Clinics", "One row is the sessions of one clinic, the lowest share first.",
                   _CLINICS, _clinics(db))  # fmt: skip
        book.sheet("Rules", "One row is one rule in the whole network, critical first.",
                   _RULES, _rules(db))  # fmt: skip
        for listing in LISTINGS:
            _write_listing(book, db, listing)
        book.sheet("Definitions", "What the words mean.", _DEFINITIONS, iter(TERMS))


def _summary(db: duckdb.DuckDBPyConnection, run: queries.Row) -> _Rows:
    nothing = (None,) * 5
    for one in figures.headline(db):
        value = Shown(one.value, one.form)
        yield (one.name, value, one.numerator, one.denominator, one.low, one.high, one.note)
    for age, found in figures.critical_by_age(db):
        yield (f"Critical rules not met, {age}", found, *nothing[1:], "Days from start to as_of.")
    end = head(db)
    yield "Run", *nothing, run["run_id"]
    yield "Keel", *nothing, run["keel_version"]
    yield "Audit head", *nothing, f"entry {end.entry_no}: {end.hash}"
    for row in queries.protocols(db):
        yield f"Protocol {row['protocol']}@{row['protocol_version']}", *nothing, row["title"]


def _clinics(db: duckdb.DuckDBPyConnection) -> _Rows:
    for row in queries.by_clinic(db):
        yield (
            row["clinic_id"], row["name"], row["share"], row["low"], row["high"],
            row["compliant"], row["compliant"] + row["non_compliant"], row["judged"],
            row["incomplete"], row["pending"], row["critical"], row["major"], row["delivered"],
        )  # fmt: skip


def _rules(db: duckdb.DuckDBPyConnection) -> _Rows:
    for row in queries.by_rule(db):
        decided = row["compliant"] + row["non_compliant"]
        asked = decided + row["not_evaluable"]
        yield (
            row["protocol"], row["protocol_version"], row["title"], row["severity"], row["tier"],
            row["share"], row["low"], row["high"], row["compliant"], decided,
            row["non_compliant"], row["waived"], row["not_evaluable"],
            decided / asked if asked else None, row["pending"], row["target"],
            row["citation"] or "house rule, no source",
        )  # fmt: skip


def _write_listing(book: Book, db: duckdb.DuckDBPyConnection, listing: Listing) -> None:
    (counted,) = queries.rows(db, f"SELECT count(*) AS all_rows FROM ({listing.select})")
    says = listing.says
    if counted["all_rows"] > MOST_ROWS:
        says += (
            f" The first {MOST_ROWS:,} of {counted['all_rows']:,}; all are in {listing.table} of "
            "results.duckdb."
        )
    book.sheet(listing.name, says, listing.columns, _fetched(db, listing.select))


def _fetched(db: duckdb.DuckDBPyConnection, select: str) -> _Rows:
    cursor = db.execute(f"{select} LIMIT {MOST_ROWS}")
    while rows := cursor.fetchmany(_FETCHED):
        yield from rows
