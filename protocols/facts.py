"""What the engine is given: rows in force by feed, cut-offs, rows in quarantine, an instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from checks.contract import Contract, contracts
from protocols.times import INSTANT, midnight

_TYPES: Mapping[str, pl.DataType] = {
    "text": pl.String(), "time": pl.String(), "int": pl.Int64(), "number": pl.Float64(),
    "decimal": pl.Float64(), "bool": pl.Boolean(), "date": pl.Date(), "timestamp": INSTANT,
}  # fmt: skip
EVENT_TIMES: Mapping[str, str] = {
    feed: held.event_time for feed, held in contracts().items() if held.event_time
}


def schema(contract: Contract) -> dict[str, pl.DataType]:
    """Column types of a feed's frame: clinic_id first, then the contract's, without `deleted`."""
    own = {c.name: _TYPES[c.type] for c in contract.columns if c.name != "deleted"}
    return {"clinic_id": pl.String(), **own}


def empty_frame(feed: str) -> pl.LazyFrame:
    """A feed's frame without rows."""
    return pl.LazyFrame(schema=schema(contracts()[feed]))


@dataclass(frozen=True)
class Facts:
    """Rows in force of every feed; `cutoffs` is clinic_id, feed, cutoff (no row = the clinic never
    delivered the feed); `quarantined` is clinic_id, feed, session_id, patient_id. Where `frames`
    hold some patients' rows only, `network` has all rows of the feeds that rules link by clinic."""

    frames: Mapping[str, pl.LazyFrame]
    cutoffs: pl.DataFrame
    quarantined: pl.DataFrame
    as_of: datetime
    network: Mapping[str, pl.LazyFrame] = field(default_factory=dict)

    @property
    def whole(self) -> Facts:
        """The facts that rows linked by clinic are taken from: every patient's."""
        return self._with_network if self.network else self

    @cached_property
    def _with_network(self) -> Facts:
        return replace(self, frames={**self.frames, **self.network}, network={})

    @cached_property
    def zones(self) -> pl.DataFrame:
        """clinic_id and its `_zone`."""
        return (
            self.frames["clinics"].select("clinic_id", _zone=pl.col("time_zone")).unique().collect()
        )

    @cached_property
    def zone_names(self) -> list[str]:
        """Every zone of the network."""
        return sorted(set(self.zones["_zone"].to_list())) or ["UTC"]

    @cached_property
    def cutoffs_by_clinic(self) -> pl.DataFrame:
        """clinic_id and `_cutoff.<feed>` of every feed; null where it was never delivered."""
        wide = self.zones.select("clinic_id").unique().sort("clinic_id")
        for feed in self.frames:
            one = self.cutoffs.filter(pl.col("feed") == feed).select(
                "clinic_id", pl.col("cutoff").cast(INSTANT).alias(f"_cutoff.{feed}")
            )
            wide = wide.join(one, on="clinic_id", how="left")
        return wide

    def lost(self, feed: str, key: str) -> pl.DataFrame | None:
        """clinic_id and `key` (session_id or patient_id) that quarantined rows of a feed name, and
        `_lost` = true; None where there are none."""
        return self._lost.get((feed, key))

    @cached_property
    def _lost(self) -> dict[tuple[str, str], pl.DataFrame]:
        return {
            (feed, key): named.with_columns(_lost=pl.lit(value=True))
            for key in ("session_id", "patient_id")
            for (feed,), rows in self.quarantined.partition_by("feed", as_dict=True).items()
            if not (named := rows.select("clinic_id", key).drop_nulls(key).unique()).is_empty()
        }

    def ordered(self, feed: str) -> pl.LazyFrame:
        """A feed's evidence that has an event, by its instant, then id: sorted once."""
        if feed not in self._ordered:
            rows = self.evidence(feed).filter(pl.col("_at").is_not_null())
            self._ordered[feed] = rows.sort("_at", contracts()[feed].id_column).collect()
        return self._ordered[feed].lazy()

    @cached_property
    def _ordered(self) -> dict[str, pl.DataFrame]:
        return {}

    def evidence(self, feed: str) -> pl.LazyFrame:
        """A feed's rows with `_at`, their event as an instant; none after `as_of`.

        A session without a start began with its first dose of any drug; a contact without one is
        placed where it was scheduled.
        """
        rows = self.frames[feed]
        column = EVENT_TIMES.get(feed)
        if column is None:
            return rows.with_columns(_at=pl.lit(None, INSTANT))
        at = pl.col(column)
        if contracts()[feed].column(column).type == "date":
            rows = rows.join(self.zones.lazy(), on="clinic_id", how="left")
            at = midnight(at, self.zone_names)
        elif feed == "contacts":
            at = pl.coalesce("started_at", "scheduled_at")
        rows = rows.with_columns(_at=at).filter(
            pl.col("_at").is_null() | (pl.col("_at") <= pl.lit(self.as_of))
        )
        if feed != "sessions":
            return rows.drop("_zone", strict=False)
        first = (
            self.evidence("doses")
            .group_by("clinic_id", "session_id")
            .agg(_first_any=pl.col("started_at").min())
        )
        return rows.join(first, on=["clinic_id", "session_id"], how="left").with_columns(
            _at=pl.coalesce("_at", "_first_any")
        )
