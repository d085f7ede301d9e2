"""Facts as Polars frames, in buckets of patients, so that memory does not grow with the network."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import polars as pl

from checks.contract import contract, contracts
from flows.raw import NETWORK
from flows.settings import Settings
from flows.sources import identifier
from flows.warehouse import Warehouse
from protocols.facts import Facts, empty_frame
from protocols.model import Protocol, ResponseRule
from protocols.times import INSTANT

BUCKET_SESSIONS = 120_000
WHOLE = ("clinics", "staff", "shifts", "hours", "rates", "waivers", "inventory")


def buckets(
    warehouse: Warehouse, protocols: tuple[Protocol, ...], settings: Settings, as_of: datetime
) -> Iterator[Facts]:
    """Facts of all patients, bucket by bucket; all rows of a patient are in one of them."""
    needed = _needed(protocols)
    count = warehouse.db.execute("SELECT count(*) FROM facts.sessions").fetchone()
    assert count is not None
    number = max(1, -(-count[0] // BUCKET_SESSIONS))
    held_cutoffs = cutoffs(warehouse, as_of)
    held_quarantine = warehouse.db.sql(
        "SELECT clinic_id, feed, session_id, patient_id FROM ops.quarantine "
        "WHERE released_run IS NULL"
    ).pl()
    shared = {feed: _frame(warehouse, feed, None, settings) for feed in WHOLE if feed in needed}
    for bucket in range(number):
        frames = {
            feed: shared[feed] if feed in shared
            else _frame(warehouse, feed, (bucket, number), settings) if feed in needed
            else empty_frame(feed)
            for feed in contracts()
        }  # fmt: skip
        yield Facts(frames, held_cutoffs, held_quarantine, as_of)


def number_of_buckets(warehouse: Warehouse) -> int:
    """How many buckets `buckets` gives."""
    count = warehouse.db.execute("SELECT count(*) FROM facts.sessions").fetchone()
    assert count is not None
    return max(1, -(-int(count[0]) // BUCKET_SESSIONS))


def cutoffs(warehouse: Warehouse, as_of: datetime) -> pl.DataFrame:
    """clinic_id, feed, cutoff: the latest extract time of accepted and partial batches, at most
    `as_of`; a network file counts for each clinic.
    """
    return warehouse.db.sql(
        "SELECT c.clinic_id, b.feed, least($as_of::TIMESTAMPTZ, max(coalesce(b.extract_at, "
        "timezone(c.time_zone, (b.name_day + 1)::TIMESTAMP) - INTERVAL 1 MICROSECOND, "
        "$as_of::TIMESTAMPTZ))) AS cutoff "
        "FROM ops.batches b JOIN facts.clinics c "
        f"ON c.clinic_id = b.clinic_id OR b.clinic_id = '{NETWORK}' "
        "WHERE b.state IN ('accepted', 'partial') GROUP BY ALL ORDER BY ALL",
        params={"as_of": as_of},
    ).pl()


def _needed(protocols: tuple[Protocol, ...]) -> Collection[str]:
    """Feeds that judging by these protocols looks at."""
    feeds = {"clinics", "patients", "staff", "sessions", "doses"}
    for protocol in protocols:
        feeds.add(protocol.judges)
        feeds |= {measure.of for measure in protocol.measures.values()}
        for rule in protocol.rules:
            of = getattr(rule, "of", None)
            feeds |= {of} if of else set()
            if isinstance(rule, ResponseRule):
                feeds |= {rule.trigger.of, rule.then.of}
    return feeds


def _frame(
    warehouse: Warehouse, feed: str, bucket: tuple[int, int] | None, settings: Settings
) -> pl.LazyFrame:
    held = contract(feed)
    columns = ", ".join(
        f"f.{identifier(c.name)}::DOUBLE AS {identifier(c.name)}"
        if c.type == "decimal"
        else f"f.{identifier(c.name)}"
        for c in held.columns
        if c.name not in ("clinic_id", "deleted")
    )
    relation = f"SELECT f.clinic_id, {columns} FROM facts.{feed} f"
    if bucket is not None and bucket[1] > 1:
        relation += f" WHERE {_in_bucket(held.names, *bucket)}"
    frame = warehouse.db.sql(relation).pl()
    stamps = [c.name for c in held.columns if c.type == "timestamp"]
    frame = frame.with_columns(pl.col(stamps).cast(INSTANT))
    if feed == "sessions" and settings.programs:
        frame = frame.with_columns(pl.col("program").replace(settings.programs))
    return frame.lazy()


def _in_bucket(names: tuple[str, ...], bucket: int, number: int) -> str:
    """A row's patient, or its session's, is one of the bucket's."""
    mine = f"hash(clinic_id, patient_id) % {number} = {bucket}"
    sessions = f"SELECT clinic_id, session_id FROM facts.sessions WHERE {mine}"
    by_session = f"(f.clinic_id, f.session_id) IN ({sessions})"
    if "patient_id" not in names:
        return by_session
    own = f"hash(f.clinic_id, f.patient_id) % {number} = {bucket}"
    return f"{own} OR {by_session}" if "session_id" in names and "program" not in names else own
