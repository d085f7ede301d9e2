"""Which batches are loaded: a batch of unfit rows, or a full export with too few, is blocked.

What decides over a batch besides its rows is in its `judged_under`; when that changes, a blocked
batch is tried again, and so are the quarantined rows of a feed.
"""

from __future__ import annotations

import hashlib
import json

from checks.contract import Contract
from checks.quarantine import reason_words
from flows import __version__
from flows.raw import NETWORK
from flows.recovery import reset
from flows.runs import Run
from flows.settings import Settings
from flows.staging import unstage
from flows.warehouse import Warehouse

UNKNOWN_CLINIC = "its folder is no clinic that a clinics file names"


def mode_of(settings: Settings, feed: str) -> str:
    """How the network delivers a feed: delta or full."""
    return settings.feeds[feed].mode if feed in settings.feeds else "delta"


def circumstances(warehouse: Warehouse, held: Contract, settings: Settings) -> str:
    """A digest of what decides over a feed's batches besides their rows."""
    share = held.quarantine_share
    zones = warehouse.db.execute(
        "SELECT clinic_id, time_zone FROM facts.clinics ORDER BY ALL"
    ).fetchall()
    parts = [
        held.sha256, __version__, settings.quarantine_share if share is None else share,
        mode_of(settings, held.feed), [] if held.feed == "clinics" else zones,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def try_again(warehouse: Warehouse, held: Contract, settings: Settings) -> None:
    """Blocked batches that other circumstances may free are landed again; a feed whose facts or
    quarantine other circumstances would change is loaded anew from raw.
    """
    if is_stale(warehouse, held):
        reset(warehouse, held.feed)
        return
    with warehouse.transaction():
        warehouse.db.execute(
            "UPDATE ops.batches SET state = 'landed', gate = NULL, reason = NULL WHERE feed = ? "
            "AND state = 'blocked' AND judged_under <> ?",
            [held.feed, circumstances(warehouse, held, settings)],
        )


def note_zones(warehouse: Warehouse, held: Contract) -> None:
    """Write down under which zones the feed's local times were read."""
    warehouse.db.execute("DELETE FROM ops.zones_used WHERE feed = ?", [held.feed])
    if held.feed != "clinics":
        warehouse.db.execute(
            "INSERT INTO ops.zones_used SELECT ?, clinic_id, time_zone FROM facts.clinics",
            [held.feed],
        )


def block_unknown_clinics(
    warehouse: Warehouse, held: Contract, run: Run, settings: Settings
) -> None:
    """A folder that no clinics file names waits, blocked, until one does."""
    if held.feed == "clinics":
        return
    rows = warehouse.db.execute(
        "SELECT batch_no FROM ops.batches WHERE state = 'landed' AND feed = ? AND clinic_id <> ? "
        "AND clinic_id NOT IN (SELECT clinic_id FROM facts.clinics)",
        [held.feed, NETWORK],
    ).fetchall()
    for (number,) in rows:
        _block(warehouse, held, run, settings, number, "clinic", UNKNOWN_CLINIC)


def apply_gates(warehouse: Warehouse, held: Contract, run: Run, settings: Settings) -> bool:
    """Block pending batches with too many unfit rows, or full ones that lack too many.

    Gives False when a full export that came late changes what should have been blocked before:
    then the feed must be reset and loaded anew.
    """
    allowed = held.quarantine_share
    allowed = settings.quarantine_share if allowed is None else allowed
    bad = warehouse.db.execute(
        "SELECT _batch, rows + coalesce(purged, 0), bad FROM (SELECT _batch, "
        "count(*) AS rows, count(*) FILTER (len(_problems) > 0) AS bad FROM staged GROUP BY ALL) "
        "LEFT JOIN ops.purged_rows ON batch_no = _batch ORDER BY ALL"
    ).fetchall()
    for number, rows, failed in bad:
        if failed > allowed * rows:
            reason = (
                f"{failed:,} of its {rows:,} rows would be quarantined, at most {allowed:.0%} may "
                f"be; most often: {_commonest(warehouse, held, number)}"
            )
            _block(warehouse, held, run, settings, number, "share", reason)
            unstage(warehouse, number)
    if mode_of(settings, held.feed) == "full":
        return _block_short(warehouse, held, run, settings)
    return True


def _block_short(warehouse: Warehouse, held: Contract, run: Run, settings: Settings) -> bool:
    """A full export needs a share of the rows of the one extracted before it."""
    least = next(e.parameters["least_share"] for e in held.expectations if e.kind == "volume")
    deliveries = warehouse.db.execute(
        "SELECT clinic_id, batch_no, rows + coalesce(purged, 0), state FROM ops.batches "
        "LEFT JOIN ops.purged_rows USING (batch_no) WHERE feed = ? "
        "AND mode = 'full' AND (state IN ('landed', 'accepted', 'partial') OR gate = 'volume') "
        "ORDER BY clinic_id, delivered_at, file_sha256, path",
        [held.feed],
    ).fetchall()
    before: dict[str, int] = {}
    for clinic, number, rows, state in deliveries:
        known = before.get(clinic, 0)
        short = rows < least * known
        if state == "landed" and short:
            reason = (
                f"it has {rows:,} rows, the full export before it had {known:,}, and at least "
                f"{least:.0%} of them are needed to believe that the others are gone"
            )
            _block(warehouse, held, run, settings, number, "volume", reason)
            unstage(warehouse, number)
        elif state != "landed" and short != (state == "blocked"):
            return False
        if not short:
            before[clinic] = rows
    return True


def is_stale(warehouse: Warehouse, held: Contract) -> bool:
    """Whether a feed's facts or quarantine would be others if they were loaded today."""
    row = warehouse.db.execute(
        "SELECT EXISTS (SELECT 1 FROM ops.batches WHERE feed = $feed AND "
        "((state IN ('accepted', 'partial') AND contract_sha256 <> $sha) "
        "OR (state = 'partial' AND keel_version <> $version))) "
        "OR EXISTS (SELECT 1 FROM ops.zones_used u LEFT JOIN facts.clinics c USING (clinic_id) "
        "WHERE u.feed = $feed AND u.time_zone IS DISTINCT FROM c.time_zone) "
        "OR EXISTS (SELECT 1 FROM ops.quarantine q JOIN facts.clinics c USING (clinic_id) "
        "WHERE q.feed = $feed AND q.feed <> 'clinics' AND q.released_run IS NULL "
        "AND list_contains(q.reasons, 'clinic_id: unknown_clinic'))",
        {"feed": held.feed, "sha": held.sha256, "version": __version__},
    ).fetchone()
    return bool(row and row[0])


def _commonest(warehouse: Warehouse, held: Contract, number: int) -> str:
    row = warehouse.db.execute(
        "SELECT problem FROM (SELECT unnest(_problems) AS problem FROM staged WHERE _batch = ?) "
        "GROUP BY ALL ORDER BY count(*) DESC, problem LIMIT 1",
        [number],
    ).fetchone()
    assert row is not None
    return reason_words(row[0], held)


def _block(
    warehouse: Warehouse,
    held: Contract,
    run: Run,
    settings: Settings,
    number: int,
    gate: str,
    reason: str,
) -> None:
    warehouse.db.execute(
        "UPDATE ops.batches SET state = 'blocked', gate = ?, reason = ?, loaded_run = ?, "
        "contract_version = ?, contract_sha256 = ?, keel_version = ?, judged_under = ? "
        "WHERE batch_no = ?",
        [
            gate, reason, run.run_id, held.version, held.sha256, __version__,
            circumstances(warehouse, held, settings), number,
        ],
    )  # fmt: skip
