"""What one night brought, counted: for a person, for a program, and for Prefect's artifact.

Counts, names of clinics' files and the report's place only; never a value of a patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.watch import Watched

if TYPE_CHECKING:
    from flows.judging import JudgingSummary
    from flows.landing import Found
    from flows.load import FeedSummary
    from flows.runs import Run
    from flows.settings import Settings

STATUS_WORDS = (
    ("not_met", "not met"),
    ("not_evaluable", "not evaluable"),
    ("pending", "pending"),
)


@dataclass(frozen=True)
class Summary:
    """A night's counts. `breaches_by_severity` counts not_met findings, waived ones left out;
    `seconds` are by stage, and those of `validate` lie within `load`; `refused` are files and
    sources ("clinic/...") that were not read."""

    run_id: str
    as_of: str
    report: Path
    batches: Mapping[str, int]
    rows: Mapping[str, int]
    judged: int
    skipped: int
    findings: Mapping[str, int]
    breaches_by_severity: Mapping[str, int]
    seconds: Mapping[str, float]
    notes: tuple[str, ...]
    refused: tuple[str, ...]
    watched: Watched

    @classmethod
    def of(
        cls,
        run: Run,
        settings: Settings,
        found: Found,
        loaded: Mapping[str, FeedSummary],
        judged: JudgingSummary,
        seconds: Mapping[str, float],
        watched: Watched,
    ) -> Summary:
        """The counts of a night that ran to its end."""
        batches: Counter[str] = Counter()
        for feed in loaded.values():
            batches.update(feed.batches)
        return cls(
            run_id=run.run_id,
            as_of=run.as_of.isoformat(),
            report=settings.publish / "current" / "report" / "index.html",
            batches={
                state: batches[state] for state in ("accepted", "partial", "blocked", "duplicate")
            },
            rows={
                "loaded": sum(feed.loaded for feed in loaded.values()),
                "unchanged": sum(feed.unchanged for feed in loaded.values()),
                "quarantined": sum(feed.quarantined for feed in loaded.values()),
            },
            judged=judged.judged,
            skipped=judged.skipped,
            findings=dict(judged.findings),
            breaches_by_severity=dict(judged.breaches),
            seconds={
                **seconds,
                "validate": round(sum(feed.validate_seconds for feed in loaded.values()), 3),
            },
            refused=found.refused,
            watched=watched,
            notes=(
                *found.notes,
                *(note for feed in loaded.values() for note in feed.notes),
                *judged.notes,
            ),
        )

    def breaches(self, severities: Collection[str]) -> int:
        """Findings not met of these severities."""
        return sum(self.breaches_by_severity.get(severity, 0) for severity in severities)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "run_id": self.run_id,
            "as_of": self.as_of,
            "report": str(self.report),
            "batches": dict(self.batches),
            "rows": dict(self.rows),
            "judged": self.judged,
            "skipped": self.skipped,
            "findings": dict(self.findings),
            "changes": dict(self.watched.changes),
            "refused": list(self.refused),
            "silent": [asdict(one) for one in self.watched.silent],
            "seconds": dict(self.seconds),
            "notes": list(self.notes),
        }

    def words(self) -> str:
        """For a person at a terminal."""
        lines = [
            f"run {self.run_id} as of {self.as_of}",
            f"  deliveries  {_counts(self.batches)}",
            f"  rows        {_counts(self.rows)}",
            f"  judged      {self.judged:,} subjects anew, {self.skipped:,} as before",
            "  findings    "
            + ", ".join(f"{self.findings.get(key, 0):,} {words}" for key, words in STATUS_WORDS),
            *self._changes(),
            *(f"  silent      {one.sentence()}" for one in self.watched.silent),
            *(f"  note: {note}" for note in self.notes),
            f"report: {self.report}",
        ]
        return "\n".join(lines)

    def _changes(self) -> list[str]:
        changes = self.watched.changes
        return [f"  changed     verdicts by cause: {_counts(changes)}"] if changes else []

    def markdown(self) -> str:
        """For Prefect's artifact: counts only."""
        rows = [
            *(("deliveries " + state, count) for state, count in self.batches.items()),
            *(("rows " + what, count) for what, count in self.rows.items()),
            ("subjects judged", self.judged),
            *((words, self.findings.get(key, 0)) for key, words in STATUS_WORDS),
        ]
        table = "\n".join(f"| {name} | {count:,} |" for name, count in rows)
        late = "".join(f"- {one.sentence()}\n" for one in self.watched.silent)
        return f"### Run {self.run_id}\n\n| what | count |\n| --- | ---: |\n{table}\n\n{late}"


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counted.items())
