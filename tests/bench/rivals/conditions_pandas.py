"""The four conditions in pandas, written by hand; runs in an environment of its own."""

from __future__ import annotations

import pandas as pd

KEY = ["clinic_id", "session_id"]


def four_conditions(
    sessions: pd.DataFrame, vitals: pd.DataFrame, doses: pd.DataFrame
) -> pd.DataFrame:
    """One row a completed session."""

    def minutes(count: int) -> pd.Timedelta:
        return pd.Timedelta(minutes=count)

    held = sessions.loc[
        sessions["status"] == "completed", [*KEY, "started_at", "ended_at", "weight_kg"]
    ].reset_index(drop=True)
    held["number"] = range(len(held))
    read = vitals[[*KEY, "measured_at"]].merge(
        held[[*KEY, "number", "started_at", "ended_at"]], on=KEY
    )
    at, start = read["measured_at"], read["started_at"]
    before = (at >= start - minutes(30)) & (at <= start)
    later = (at >= start + minutes(115)) & (at <= start + minutes(125))
    held["baseline"] = held["number"].isin(read.loc[before, "number"])
    held["at_120"] = held["number"].isin(read.loc[later, "number"])
    during = read[(at >= start) & (at <= read["ended_at"])].sort_values(["number", "measured_at"])
    earlier = during.groupby("number")["measured_at"].shift()
    gap = during["measured_at"] - earlier.fillna(during["started_at"])
    widest = gap.groupby(during["number"]).max()
    last = during.groupby("number")["measured_at"].max()
    rest = held["ended_at"] - held["number"].map(last)
    held["every_15"] = (held["number"].map(widest) <= minutes(15)) & (rest <= minutes(15))
    given = doses.groupby(KEY, as_index=False)["amount_mg"].sum()
    held = held.merge(given, on=KEY, how="left")
    held["dose"] = (held["amount_mg"] / held["weight_kg"]).between(0.1, 1.0)
    return held[[*KEY, "baseline", "every_15", "at_120", "dose"]]


def counts(met: pd.DataFrame) -> dict[str, int]:
    """How many sessions meet each condition, and how many there are."""
    names = ("baseline", "every_15", "at_120", "dose")
    return {**{name: int(met[name].sum()) for name in names}, "sessions": len(met)}
