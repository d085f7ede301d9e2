"""Facts as Polars frames, in buckets of patients, so that memory does not grow with the network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from checks.contract import contract, contracts
from flows.raw import NETWORK
from flows.settings import Settings
from flows.shares import Share, place_sessions, shares, wanted
from flows.sources import identifier
from flows.warehouse import Warehouse
from protocols.facts import EVENT_TIMES, Facts, empty_frame
from protocols.model import Linked, Protocol, ResponseRule, Rule, Then
from protocols.said import said_by
from protocols.times import INSTANT

WHOLE = ("clinics", "staff", "shifts", "hours", "rates", "waivers", "inventory")
_ESSENTIAL = frozenset({"patient_id", "session_id", "staff_id", "status", "items", "scheduled_at",
                        "program", *EVENT_TIMES.values()})  # fmt: skip
_ALWAYS = ("clinics", "patients", "staff", "sessions", "doses")
# When sessions began that don't say so themselves: with their first dose of any drug.
FIRST_DOSES = (
    "SELECT clinic_id, session_id, min(started_at) AS first_dose_at FROM facts.doses "
    "SEMI JOIN (FROM facts.sessions WHERE started_at IS NULL) USING (clinic_id, session_id) "
    "WHERE started_at <= $as_of GROUP BY ALL"
)


@dataclass(frozen=True)
class Bucket:
    """Facts of some patients, all rows of each. `strangers`: clinic_id, outcome_id of outcomes that
    are here as evidence on a session, and judged in the bucket of their own patient.
    """

    facts: Facts
    strangers: pl.DataFrame


def buckets(
    warehouse: Warehouse,
    protocols: tuple[Protocol, ...],
    settings: Settings,
    as_of: datetime,
    among: str | None = None,
) -> Iterator[Bucket]:
    """Facts of all patients, or of those in the table `among` (clinic_id, patient_id), bucket by
    bucket; all rows of a patient are in one of them.
    """
    needed = {*_ALWAYS, *(feed for protocol in protocols for feed in _feeds(protocol))}
    planned = shares(warehouse, among)
    held_cutoffs = cutoffs(warehouse, as_of)
    held_quarantine = fetched(
        warehouse,
        "SELECT clinic_id, feed, session_id, patient_id FROM ops.quarantine "
        "WHERE released_run IS NULL",
    )
    by_clinic = _by_clinic(protocols)
    place_sessions(warehouse, planned, among)
    for number, share in enumerate(planned):
        of_clinics = f"WHERE {share.of_clinics} OR f.clinic_id IS NULL"
        frames = {
            feed: _frame(
                warehouse, feed,
                of_clinics if feed in WHOLE else _in_share(feed, number, share, among), settings,
            )
            if feed in needed
            else empty_frame(feed)
            for feed in contracts()
        }  # fmt: skip
        network = {
            feed: _frame(warehouse, feed, of_clinics, settings, names)
            for feed, names in by_clinic.items()
            if among or share.parts > 1
        }
        yield Bucket(
            Facts(frames, held_cutoffs, held_quarantine, as_of, network),
            _strangers(warehouse, number, share, among),
        )
    warehouse.db.execute("DROP TABLE placed_sessions")


def _by_clinic(protocols: tuple[Protocol, ...]) -> dict[str, Set[str]]:
    """The feeds of patients that rules link by clinic, all rows of which are looked at, with the
    columns that they can name: a monitor's other sessions are other patients'."""
    parts = [part for protocol in protocols for part in _clinic_parts(protocol)]
    feeds = {part.of for part in parts} - set(WHOLE)
    words = _ESSENTIAL.union(*(re.findall(r"\w+", said_by(part)) for part in parts))
    if "sessions" in feeds:
        feeds = feeds | {"doses"}  # a session without a start began with its first dose
    return {feed: words | {contract(feed).id_column} for feed in sorted(feeds)}


def _clinic_parts(protocol: Protocol) -> Iterator[Linked | Then]:
    yield from (measure for measure in protocol.measures.values() if measure.by == "clinic")
    for rule in protocol.rules:
        parts = [rule.trigger, rule.then] if isinstance(rule, ResponseRule) else [rule]
        yield from (p for p in parts if isinstance(p, Linked | Then) and p.by == "clinic")


def cutoffs(warehouse: Warehouse, as_of: datetime) -> pl.DataFrame:
    """clinic_id, feed, cutoff: the latest extract time of accepted and partial batches, at most
    `as_of`; a network file counts for each clinic.
    """
    return fetched(
        warehouse,
        "SELECT c.clinic_id, b.feed, least($as_of::TIMESTAMPTZ, max(coalesce(b.extract_at, "
        "timezone(c.time_zone, (b.name_day + 1)::TIMESTAMP) - INTERVAL 1 MICROSECOND, "
        "$as_of::TIMESTAMPTZ))) AS cutoff "
        "FROM ops.batches b JOIN facts.clinics c "
        f"ON c.clinic_id = b.clinic_id OR b.clinic_id = '{NETWORK}' "
        "WHERE b.state IN ('accepted', 'partial') GROUP BY ALL ORDER BY ALL",
        as_of=as_of,
    )


def delivered(rows: pl.LazyFrame, at: str, cutoffs: pl.LazyFrame, feed: str) -> pl.LazyFrame:
    """Rows whose instant `at` another feed of their clinic has reached, with its `cutoff`."""
    mine = cutoffs.filter(pl.col("feed") == feed).select("clinic_id", "cutoff")
    return rows.join(mine, on="clinic_id").filter(pl.col(at) <= pl.col("cutoff"))


def _feeds(protocol: Protocol) -> set[str]:
    measured = {measure.of for measure in protocol.measures.values()}
    return measured.union(*(feeds_of(protocol, rule) for rule in protocol.rules))


def feeds_of(protocol: Protocol, rule: Rule) -> list[str]:
    """Feeds that a rule looks at, in load order: the judged one, its own, its measures'."""
    said = said_by(rule, {"id", "title", "note"})
    words = set(re.findall(r"[A-Za-z_]\w*", said))
    own = {protocol.judges, *re.findall(r'"of":"(\w+)"', said)}
    own |= {measure.of for name, measure in protocol.measures.items() if name in words}
    if any("dose" in word for word in words):
        own.add("doses")
    return [feed for feed in contracts() if feed in own]


def fetched(warehouse: Warehouse, query: str, **parameters: object) -> pl.DataFrame:
    """A query's rows."""
    warehouse.db.complete()  # a result that is not read to its end stands in the way
    frame = warehouse.db.sql(query, params=parameters or None).pl()
    assert isinstance(frame, pl.DataFrame)
    return frame


def _frame(
    warehouse: Warehouse, feed: str, where: str, settings: Settings, names: Set[str] | None = None
) -> pl.LazyFrame:
    """A feed's rows; `names`: of its columns only these."""
    held = contract(feed)
    wanted = [c for c in held.columns if c.name not in ("clinic_id", "deleted")]
    wanted = [c for c in wanted if names is None or c.name in names]
    columns = ", ".join(
        f"f.{identifier(c.name)}::DOUBLE AS {identifier(c.name)}"
        if c.type == "decimal"
        else f"f.{identifier(c.name)}"
        for c in wanted
    )
    frame = fetched(warehouse, f"SELECT f.clinic_id, {columns} FROM facts.{feed} f {where}")
    stamps = [c.name for c in wanted if c.type == "timestamp"]
    frame = frame.with_columns(pl.col(stamps).cast(INSTANT))
    if feed == "sessions" and settings.programs and "program" in frame.columns:
        frame = frame.with_columns(pl.col("program").replace(settings.programs))
    return frame.lazy()


_BY_SESSION = "JOIN placed_sessions p ON p.clinic_id = f.clinic_id AND p.session_id = f.session_id"


def _in_share(feed: str, number: int, share: Share, among: str | None) -> str:
    """What chooses rows whose patient, or whose session's, is one of the bucket's.

    A join for the sessions: DuckDB takes ten times as long for `own OR session IN (...)`.
    """
    names = contract(feed).names
    own = f"{share.of_patients} AND {wanted(among)}"
    if "patient_id" not in names:
        return f"{_BY_SESSION} WHERE {share.of_clinics} AND p.bucket = {number}"
    if feed == "sessions" or "session_id" not in names:
        return f"WHERE {own}"
    return f"LEFT {_BY_SESSION} WHERE {share.of_clinics} AND (({own}) OR p.bucket = {number})"


def _strangers(warehouse: Warehouse, number: int, share: Share, among: str | None) -> pl.DataFrame:
    return fetched(
        warehouse,
        f"SELECT f.clinic_id, f.outcome_id FROM facts.outcomes f {_BY_SESSION} "
        f"WHERE {share.of_clinics} AND p.bucket = {number} "
        f"AND NOT ({share.of_patients} AND {wanted(among)})",
    )
