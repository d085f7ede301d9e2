"""Clinics beside each other as funnel plots: who differs from the rest by more than chance. Never
ranked, since the order within the funnel is chance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from flows.funnels import funnel, limits
from flows.reports.charts import Chart, drawn, funnel_chart, nothing
from flows.reports.queries import Row
from flows.reports.words import counted, percent

# 95 % and 99.8 % of clinics that differ by chance alone lie within.
WARNING, ACTION = 1.96, 3.09
_FEWEST_CLINICS, _CURVE_POINTS = 3, 60


def funnel_plot(title: str, found: list[Row], names: Mapping[str, str]) -> Chart:
    """A funnel plot of rows with clinic_id, hits and trials, in the order of the clinics' names."""
    some = [row for row in found if row["trials"]]
    if len(some) < _FEWEST_CLINICS:
        return nothing(title, f"{title}: a funnel plot needs {_FEWEST_CLINICS} clinics.")
    table = pl.DataFrame(
        {"clinic_id": [row["clinic_id"] for row in some], "measure": title,
         "events": [row["hits"] for row in some], "trials": [row["trials"] for row in some]},
    )  # fmt: skip
    judged = funnel(table.lazy(), ["measure"], ACTION, 1).collect()
    target, dispersion = float(judged["target"][0]), float(judged["dispersion"][0])
    rows = judged.sort("clinic_id").to_dicts()
    rows.sort(key=lambda row: names.get(row["clinic_id"], row["clinic_id"]))
    for row in rows:
        row["name"] = names.get(row["clinic_id"], row["clinic_id"])
        row["out"] = not row["low"] <= row["share"] <= row["high"]
    says = _says(rows, target, dispersion)
    points = [{"trials": row["trials"], "share": row["share"], "label": row["name"],
               "out": row["out"]} for row in rows]  # fmt: skip
    picture = funnel_chart(points, _curve(table["trials"].to_list(), target, dispersion), "met")
    lines = [
        (row["name"], f"{row['events']} of {row['trials']}", percent(row["share"]),
         f"{percent(row['low'])} to {percent(row['high'])}", "yes" if row["out"] else "no")
        for row in rows
    ]  # fmt: skip
    heads = ("Clinic", "Met", "Share", "99.8 % by chance", "Outside")
    return Chart(title, "", says, heads, lines, drawn(picture, f"{title}. {says}"))


def _says(rows: list[Row], target: float, dispersion: float) -> str:
    low = [row["name"] for row in rows if row["out"] and row["share"] < target]
    high = [row["name"] for row in rows if row["out"] and row["share"] > target]
    said = [f"{counted(len(rows), 'clinic')}; all together {percent(target)}."]
    if low:
        said.append(f"Lower than chance explains: {', '.join(low)}.")
    if high:
        said.append(f"Higher: {', '.join(high)}.")
    if not low and not high:
        said.append("All differ by no more than chance.")
    if dispersion > 1:
        said.append(f"Clinics differ more than chance; limits are widened {dispersion**0.5:.1f} "
                    "times.")  # fmt: skip
    return " ".join(said)


def _curve(counts: list[int], target: float, dispersion: float) -> list[dict[str, float]]:
    """Both pairs of limits about the numbers of trials that there are: over fewer they are so wide
    that clinics could not be told apart."""
    least, most = max(min(counts) * 0.6, 1), max(counts) * 1.05
    trials = np.unique(np.geomspace(least, most, _CURVE_POINTS).round())
    where = (trials, np.array(target), np.array(dispersion))
    low2, high2 = limits(*where, WARNING)
    low3, high3 = limits(*where, ACTION)
    columns = {"trials": trials, "target": np.full(len(trials), target), "low2": low2,
               "high2": high2, "low3": low3, "high3": high3}  # fmt: skip
    return [
        {name: round(float(values[at]), 5) for name, values in columns.items()}
        for at in range(len(trials))
    ]
