"""The summary of the report as a PDF: what a meeting looks at, on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING

from flows.audit import head
from flows.reports import figures, queries
from flows.reports.deliveries import delivery_states
from flows.reports.paper import Paper, Strip
from flows.reports.standing import clinic_rows, month_rows, recent, rule_rows, worst_first
from flows.reports.terms import TERMS
from flows.reports.verdicts import ORDER, network_answer, targeted
from flows.reports.words import counted, number, percent

if TYPE_CHECKING:
    import duckdb

MOST_CLINICS, MOST_RULES, MOST_WORK, MOST_MONTHS, MOST_BLOCKED = 60, 20, 15, 24, 20


def write_pdf(db: duckdb.DuckDBPyConnection, path: Path, scope: str = "") -> None:
    """Write the summary from the published tables (schemas marts and ops) and those of
    `rates.prepare`. `scope` says what the report is narrowed to, if it is.

    The same tables give the same bytes.
    """
    run = queries.last_run(db)
    made = run["as_of"].astimezone(UTC)
    end = head(db)
    acts = f"audit head {end.entry_no}: {end.hash[:16]}" if end.entry_no else "audit log empty"
    narrowed = f"; of {scope} only" if scope else ""
    paper = Paper(
        title=f"Compliance report, run {run['run_id']}",
        header_text=f"Compliance report, as of {made:%Y-%m-%d %H:%M} UTC{narrowed}",
        footer_text=f"Run {run['run_id']}, Keel {run['keel_version']}, {acts}",
        made=made,
    )
    overview = queries.overview(db)
    paper.heading("Compliance report", level=1)
    days = f"; sessions of {overview['first_day']} to {overview['last_day']}"
    paper.says(
        f"{counted(overview['clinics'], 'clinic')}, as of {made:%Y-%m-%d %H:%M} UTC"
        f"{days if overview['first_day'] else ''}."
        + (f" Audit log: {end.entry_no:,} entries, head {end.hash}." if end.entry_no else "")
    )
    since = recent(db)
    names = {row["clinic_id"]: row["name"] for row in queries.clinic_names(db)}
    clinics = clinic_rows(db, names, targeted(db, since), since)
    paper.heading(network_answer(row["verdict"] for row in clinics))
    _figures(paper, db)
    _clinics(paper, clinics, names, since)
    _months(paper, db)
    _worklist(paper, db)
    _rules(paper, db)
    _data(paper, db)
    _protocols(paper, db)
    _words(paper)
    paper.output(str(path))


def _figures(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    shown = {figure.name: figure for figure in figures.headline(db)}
    first = shown["Compliant sessions"]
    said = f"compliant: {_of(first.numerator, first.denominator)} decided sessions"
    if first.low is not None:
        said += f"; 95 % interval {percent(first.low)} to {percent(first.high)}"
    cards = [(percent(first.value), said, False)]
    for name, words in (
        ("Critical rules not met", "findings on critical rules"),
        ("Major rules not met", "findings on major rules"),
        ("Can still be met", "findings that can still be met"),
        ("Deliveries blocked", "deliveries blocked"),
    ):
        value = int(shown[name].value or 0)
        cards.append((number(value), words, name != "Can still be met" and value > 0))
    paper.cards(cards)
    paper.listing(
        ("Figure", ">Value", ">Of", "Note"), (48, 16, 26, 89),
        [(one.name, percent(one.value) if one.form == "share" else number(int(one.value or 0)),
          _of(one.numerator, one.denominator), one.note)
         for one in shown.values()],
    )  # fmt: skip
    paper.heading("Open critical breaches by age")
    paper.listing(("Days from start to as_of", ">Findings"), (48, 16),
                  [(age, number(found)) for age, found in figures.critical_by_age(db)])  # fmt: skip


def _clinics(
    paper: Paper, found: list[queries.Row], names: Mapping[str, str], since: date | None
) -> None:
    gravest = sorted(found, key=lambda row: ORDER[row["verdict"]["mark"]])[:MOST_CLINICS]
    shown = [row for row in found if row in gravest]
    paper.heading("Clinics")
    paper.says(
        "Dot: share of decided sessions that are compliant; bar: its 95 % interval, from 0 to "
        "100 %. A wide one rests on few sessions."
        + (f" Verdict and sessions of the last three months, from {since}." if since else "")
        + " Open breaches are of all time, waived ones left out."
        + _cut(found, MOST_CLINICS, "the gravest verdicts")
    )
    paper.strips(
        ("Clinic", "", "Share", "Of decided", "Complete", "Critical", "Major", "Verdict"),
        (46, 41, 13, 22, 15, 14, 12, 16),
        [Strip(f"{names[row['clinic_id']]} ({row['clinic_id']})", row["sessions"]["share"],
               row["sessions"]["low"], row["sessions"]["high"],
               (percent(row["sessions"]["share"]),
                _of(row["sessions"]["hits"], row["sessions"]["trials"]),
                percent(row["verdict"]["completeness"]["share"]), number(row["critical"]),
                number(row["major"]), row["verdict"]["words"]))
         for row in shown],
    )  # fmt: skip


def _months(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    found = month_rows(db)[-MOST_MONTHS:]
    if len(found) < 2:
        return
    paper.heading("Months", rows=len(found) + 1)
    paper.strips(
        ("Month", "", "Share", "Of decided", "Judged"), (46, 41, 13, 22, 14),
        [Strip(f"{row['month']:%B %Y}", row["sessions"]["share"], row["sessions"]["low"],
               row["sessions"]["high"],
               (percent(row["sessions"]["share"]),
                _of(row["sessions"]["hits"], row["sessions"]["trials"]),
                number(row["judged"])))
         for row in found],
    )  # fmt: skip


def _worklist(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    found = queries.rows(
        db,
        "SELECT strftime(timezone(c.time_zone, w.due_at), '%Y-%m-%d %H:%M') AS due, w.severity, "
        "w.clinic_id, w.subject_id, w.title, w.action FROM marts.worklist w "
        "LEFT JOIN marts.clinics c USING (clinic_id) "
        f"ORDER BY w.due_at, w.clinic_id, w.subject_id, w.rule_id LIMIT {MOST_WORK}",
    )
    if not found:
        return
    paper.heading("What can still be met")
    paper.says(f"The most urgent first, at most {MOST_WORK}; times are the clinic's local ones.")
    paper.listing(
        ("Due", "Severity", "Clinic", "Subject", "Rule", "What to do"), (27, 14, 13, 24, 42, 59),
        [(row["due"] or "-", row["severity"], row["clinic_id"], row["subject_id"], row["title"],
          row["action"]) for row in found],
    )  # fmt: skip


def _rules(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    missed = [row for row in worst_first(rule_rows(db)) if row["not_met"]]
    paper.heading("Rules that were not always met")
    if not missed:
        paper.says("Every rule that could be judged was met.")
        return
    paper.says(
        "Rate = met / (met + not met), waived ones included, of all time."
        + _cut(missed, MOST_RULES, "critical ones, the most often missed")
    )
    paper.listing(
        ("Rule", "Protocol", "Severity", "Tier", ">Rate", ">Of", ">Not met", ">Not evaluable"),
        (55, 38, 14, 8, 11, 20, 13, 20),
        [(row["title"], row["protocol"], row["severity"], row["tier"],
          percent(row["rate"]["share"]), _of(row["rate"]["hits"], row["rate"]["trials"]),
          number(row["not_met"]), number(row["not_evaluable"]))
         for row in missed[:MOST_RULES]],
    )  # fmt: skip


def _data(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    paper.heading("Data received")
    paper.listing(
        ("Deliveries", ">Files", ">Rows", ">Loaded", ">Unchanged", ">In quarantine"),
        (40, 20, 24, 24, 24, 26),
        [(row["state"], *(number(row[name]) for name in
                          ("files", "rows", "loaded", "unchanged", "quarantined")))
         for row in delivery_states(db)],
    )  # fmt: skip
    blocked = queries.rows(
        db,
        "SELECT path, reason FROM ops.batches WHERE state = 'blocked' ORDER BY batch_no DESC "
        f"LIMIT {MOST_BLOCKED}",
    )
    if blocked:
        paper.says("Blocked files, whose contents are missing from every figure, newest first:")
        paper.listing(("File", "Why"), (60, 119), [(row["path"], row["reason"]) for row in blocked])


def _protocols(paper: Paper, db: duckdb.DuckDBPyConnection) -> None:
    paper.heading("Protocols")
    paper.listing(
        ("Protocol", "Version", "Title", "In force", "Approved by", "SHA-256"),
        (40, 14, 52, 27, 22, 24),
        [(row["protocol"], row["protocol_version"], row["title"],
          f"from {row['effective_from']}"
          + (f" to {row['effective_to']}" if row["effective_to"] else ""),
          row["approved_by"] or "nobody yet", row["sha256"][:12])
         for row in queries.protocols(db)],
    )  # fmt: skip


def _words(paper: Paper) -> None:
    paper.heading("What the words mean")
    paper.listing(("Word", "Meaning"), (32, 147), TERMS)
    if paper.replaced:
        paper.says(
            "Some names hold letters that this PDF's fonts lack; those stand as the nearest plain "
            "letter or as a question mark. The pages and the spreadsheet have them as delivered."
        )


def _of(numerator: int | None, denominator: int | None) -> str:
    """ "118 of 253"; nothing for a figure that is no share."""
    if numerator is None or denominator is None:
        return ""
    return f"{number(numerator)} of {number(denominator)}"


def _cut(found: list[queries.Row], most: int, first: str) -> str:
    """What to say where not all rows are shown."""
    if len(found) <= most:
        return ""
    return f" Shown are {most} of {len(found):,}, {first} first."
