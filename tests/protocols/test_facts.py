"""What the engine is given goes when nobody holds it: a bucket's rows are much of a night's memory,
and what waits for Python's collector of cycles waits long."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime

import polars as pl

from checks.contract import contracts
from protocols.evaluate import judge
from protocols.facts import Facts, empty_frame
from protocols.load import load_protocols

SCHEMA = {"clinic_id": pl.String, "feed": pl.String}


def test_what_was_judged_is_not_kept() -> None:
    facts = Facts(
        {feed: empty_frame(feed) for feed in contracts()},
        pl.DataFrame(schema={**SCHEMA, "cutoff": pl.Datetime("us", "UTC")}),
        pl.DataFrame(schema={**SCHEMA, "session_id": pl.String, "patient_id": pl.String}),
        datetime(2026, 6, 1, tzinfo=UTC),
    )
    protocols = load_protocols(())
    gc.disable()
    try:
        judge(protocols, facts)
        kept = weakref.ref(facts)
        del facts
        assert kept() is None
    finally:
        gc.enable()
