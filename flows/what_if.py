"""Thresholds of risk signals tried on what was observed (`marts.risk_observations`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.errors import UsageError
from flows.frames import fetched
from flows.metrics.risk_what_if import flagged_by_signal, subjects_by_level
from flows.warehouse import Warehouse
from protocols.extending import nearest
from protocols.risk import Signal, risk


@dataclass(frozen=True)
class WhatIf:
    """Rows of `flagged_by_signal` and `subjects_by_level`."""

    thresholds: Mapping[str, float]
    signals: pl.DataFrame
    levels: pl.DataFrame

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "thresholds": dict(self.thresholds),
            "signals": self.signals.to_dicts(),
            "levels": self.levels.to_dicts(),
        }

    def lines(self) -> Iterator[str]:
        """As a terminal has it."""
        yield f"{'signal':<30}{'threshold':<32}{'flagged':>8}{'then':>8}"
        for row in self.signals.to_dicts():
            said = _said(risk().by_id[row["signal"]], self.thresholds.get(row["signal"]))
            yield f"{row['signal']:<30}{said:<32}{row['now']:>8}{row['then']:>8}"
        yield f"{'level':<62}{'subjects':>8}{'then':>8}"
        for row in self.levels.to_dicts():
            name = f"{row['subject_kind']}, {row['level']}"
            yield f"{name:<62}{row['now']:>8}{row['then']:>8}"


def thresholds(asked: Sequence[str]) -> dict[str, float]:
    """Signal to its other threshold, from SIGNAL=NUMBER; UsageError says what is wrong with one."""
    found: dict[str, float] = {}
    known = risk().by_id
    for text in asked:
        name, _, number = text.partition("=")
        signal = known.get(name)
        if signal is None:
            raise UsageError(
                f"--threshold: {name} is no signal of protocols/risk.yaml"
                f"{nearest(name, list(known))}"
            )
        if signal.at_least is None and signal.band is None:
            raise UsageError(
                f"--threshold: {name} compares with peers and has no threshold of its own; "
                "leave it out."
            )
        try:
            found[name] = float(number)
        except ValueError:
            raise UsageError(
                f"--threshold {name}: needs a number of {signal.observed}, "
                f"for example {name}={signal.at_least or 5:g}."
            ) from None
        if not 0 < found[name] < float("inf"):
            raise UsageError(f"--threshold {name}: is a number above 0; mend it.")
    return found


def what_if(warehouse: Warehouse, asked: Mapping[str, float]) -> WhatIf:
    """What is flagged now, and what would be."""
    observations = fetched(warehouse, "FROM marts.risk_observations")
    held = risk()
    return WhatIf(
        asked,
        flagged_by_signal(observations, asked, held),
        subjects_by_level(observations, asked, held),
    )


def _said(signal: Signal, then: float | None) -> str:
    now = "of its peers" if signal.at_least is None else f"{signal.at_least:g}"
    if signal.band:
        now = signal.band.name if signal.at_least is None else now
    return f"{now} {signal.observed}" if then is None else f"{now} -> {then:g} {signal.observed}"
