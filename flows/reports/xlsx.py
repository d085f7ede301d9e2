"""The report as a spreadsheet: figures, lists to filter, and what the words mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.audit import head
from flows.reports import figures, queries
from flows.reports.sheets import LISTINGS, MOST_ROWS, Columns, Listing
from flows.reports.standing import clinic_rows, recent, rule_rows, worst_first
from flows.reports.terms import TERMS
from flows.reports.verdicts import network_answer, targeted
from flows.reports.workbook import Book, Shown, workbook

if TYPE_CHECKING:
    import duckdb

_FETCHED = 5_000
_SUMMARY: Columns = (
    ("Figure", "long"), ("Value", "count"), ("Numerator", "count"), ("Denominator", "count"),
    ("Low, 95 %", "share"), ("High, 95 %", "share"), ("Note", "long"),
)  # fmt: skip
_CLINICS: Columns = (
    ("Clinic", "text"), ("Name", "text"), ("Verdict", "text"), ("Why", "long"),
    ("Compliant share", "share"), ("Low, 95 %", "share"), ("High, 95 %", "share"),
    ("Compliant", "count"), ("Decided", "count"), ("Left out", "long"),
    ("Completeness", "share"), ("Complete", "count"), ("Asked", "count"),
    ("Critical open", "count"), ("Major open", "count"),
)  # fmt: skip
_RULES: Columns = (
    ("Protocol", "text"), ("Rule", "long"), ("Severity", "text"), ("Tier", "text"),
    ("Rate", "share"), ("Low, 95 %", "share"), ("High, 95 %", "share"), ("Met", "count"),
    ("Met + not met", "count"), ("Not met", "count"), ("Waived", "count"),
    ("Not evaluable", "count"), ("Completeness", "share"), ("Pending", "count"),
    ("Excluded", "count"), ("Target", "share"), ("Source", "long"),
)  # fmt: skip
_DEFINITIONS: Columns = (("Word", "text"), ("Meaning", "long"))
_Rows = Iterator[Sequence[Any]]


def write_xlsx(db: duckdb.DuckDBPyConnection, path: Path, scope: str = "") -> None:
    """Write the spreadsheet from the published tables (schemas marts and ops) and those of
    `rates.prepare`.

    `scope` says what the report is narrowed to, if it is. The same tables give the same bytes.
    """
    run = queries.last_run(db)
    made = run["as_of"].astimezone(UTC)
    since = recent(db)
    names = {row["clinic_id"]: row["name"] for row in queries.clinic_names(db)}
    with workbook(path, f"Keel run {run['run_id']}, as of {made:%Y-%m-%d %H:%M} UTC", made) as book:
        clinics = clinic_rows(db, names, targeted(db, since), since)
        answer = network_answer(row["verdict"] for row in clinics)
        answer += f" Of {scope} only." if scope else ""
        book.sheet("Summary", answer, _SUMMARY, _summary(db, run))
        book.sheet("Clinics", _judged_since(since), _CLINICS, _clinics(clinics, names))
        book.sheet("Rules", "One row is one rule in the whole network and of all time, critical "
                   "first, as its newest version has it.", _RULES, _rules(db))  # fmt: skip
        for listing in LISTINGS:
            _write_listing(book, db, listing)
        book.sheet("Definitions", "What the words mean.", _DEFINITIONS, iter(TERMS))


def _judged_since(since: date | None) -> str:
    says = "One row is one clinic: its open breaches, and its verdict and sessions"
    return f"{says} of the last three months that have verdicts, from {since}." if since else says


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


def _clinics(clinics: list[queries.Row], names: Mapping[str, str]) -> _Rows:
    for row in clinics:
        said, rate = row["verdict"], row["sessions"]
        complete = said["completeness"]
        yield (
            row["clinic_id"], names[row["clinic_id"]], said["words"], said["why"], rate["share"],
            rate["low"], rate["high"], rate["hits"], rate["trials"],
            ", ".join(f"{count:,} {reason}" for reason, count in rate["left_out"]),
            complete["share"], complete["hits"], complete["trials"], row["critical"],
            row["major"],
        )  # fmt: skip


def _rules(db: duckdb.DuckDBPyConnection) -> _Rows:
    for row in worst_first(rule_rows(db)):
        rate = row["rate"]
        yield (
            row["protocol"], row["title"], row["severity"], row["tier"], rate["share"],
            rate["low"], rate["high"], rate["hits"], rate["trials"], row["not_met"],
            row["waived"], row["not_evaluable"], row["completeness"]["share"], row["pending"],
            row["excluded"], row["target"], row["citation"] or "house rule, no source",
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
