"""A draft protocol on the past: what it would have said, beside what the one in force says.

The draft is judged as if it had been in force all along, on the facts that the warehouse holds
now; so are the versions of the same protocol, each in its time. Nothing is written anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.frames import Bucket, buckets
from flows.judging import unknown_clinics
from flows.settings import Settings
from flows.spreadsheets import write_csv
from flows.warehouse import Warehouse
from protocols.evaluate import SUBJECT_KINDS, Judgement, judge, subject_statuses
from protocols.model import Protocol

NOT_JUDGED, NO_RULE = "not judged", "no such rule"
WHOLE = ""  # in the place of a rule: the subject's own status
_KEY = ("clinic_id", "subject_id")
SUBJECT_COLUMNS = ("clinic_id", "subject_kind", "subject_id", "rule_id", "old", "new", "reason")
_FLIPS = pl.Schema(
    {
        "clinic_id": pl.String(), "rule_id": pl.String(), "old": pl.String(), "new": pl.String(),
        "count": pl.UInt32(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Replay:
    """What a draft changes.

    `counts`: clinic_id, rule_id (empty: the subject as a whole), old, new, count, also of what
    stays as it is. `subjects`: one row a change (SUBJECT_COLUMNS; the reason is the draft's).
    """

    draft: Protocol
    against: tuple[Protocol, ...]
    first: date | None
    last: date | None
    as_of: datetime
    judged: int
    judged_before: int
    counts: pl.DataFrame
    subjects: pl.DataFrame
    notes: tuple[str, ...]

    @property
    def flips(self) -> pl.DataFrame:
        """The counts of what changes."""
        return self.counts.filter(pl.col("old") != pl.col("new"))

    def as_data(self, *, with_subjects: bool) -> dict[str, Any]:
        """For `--json`."""
        rules = self.flips.filter(pl.col("rule_id") != WHOLE)
        whole = self.flips.filter(pl.col("rule_id") == WHOLE).drop("rule_id")
        told = {
            "draft": self.draft.key,
            "against": [protocol.key for protocol in self.against],
            "from": self.first.isoformat() if self.first else None,
            "to": self.last.isoformat() if self.last else None,
            "as_of": self.as_of.isoformat(),
            "judged": self.judged,
            "judged_before": self.judged_before,
            "notes": list(self.notes),
            "rules": rules.to_dicts(),
            "subjects_by_status": whole.to_dicts(),
        }
        return told | ({"subjects": self.subjects.to_dicts()} if with_subjects else {})


def replay(
    warehouse: Warehouse,
    draft: Protocol,
    protocols: Sequence[Protocol],
    settings: Settings,
    period: tuple[date | None, date | None],
) -> Replay:
    """Judge the subjects whose local date lies in the period, ends included, by both."""
    against = tuple(p for p in protocols if p.protocol == draft.protocol)
    always = draft.always()
    as_of = settings.now()
    counts = [pl.DataFrame(schema=_FLIPS)]
    subjects: list[pl.DataFrame] = []
    judged = judged_before = 0
    for bucket in buckets(warehouse, (always, *against), settings, as_of):
        after = _verdicts(judge([always], bucket.facts), bucket, period)
        before = _verdicts(judge(against, bucket.facts), bucket, period)
        both = _compared(before, after)
        counts.append(
            both.group_by("clinic_id", "rule_id", "old", "new")
            .agg(count=pl.len())
            .select(pl.col(name).cast(kind) for name, kind in _FLIPS.items())
        )
        changed = both.filter((pl.col("old") != pl.col("new")) & (pl.col("rule_id") != WHOLE))
        kind = pl.lit(SUBJECT_KINDS[draft.judges])
        subjects.append(changed.with_columns(subject_kind=kind).select(SUBJECT_COLUMNS))
        judged += after.select(_KEY).n_unique()
        judged_before += before.select(_KEY).n_unique()
    names = ["clinic_id", "rule_id", "old", "new"]
    return Replay(
        draft, against, *period, as_of, judged, judged_before,
        pl.concat(counts).group_by(names).agg(pl.col("count").sum()).sort(names),
        pl.concat(subjects).sort("clinic_id", "subject_id", "rule_id"),
        unknown_clinics(warehouse, [draft]) + _unknown_programs(warehouse, draft, settings),
    )  # fmt: skip


def _unknown_programs(warehouse: Warehouse, draft: Protocol, settings: Settings) -> tuple[str, ...]:
    """A sentence when no session has any of the programmes that a draft names."""
    if not draft.programs:
        return ()
    rows = warehouse.db.execute(
        "SELECT DISTINCT program FROM facts.sessions WHERE program IS NOT NULL ORDER BY 1"
    ).fetchall()
    known = sorted({settings.programs.get(name, name) for (name,) in rows})
    if set(known).intersection(draft.programs):
        return ()
    wanted = " or ".join(draft.programs)
    there = f"there is {', '.join(known)}" if known else "no session has a programme at all"
    return (f"no session has the programme {wanted}; {there}.",)


def write_subjects(found: Replay, path: Path) -> None:
    """The changed subjects as CSV, readable by its owner only: ids and reasons, no names."""
    write_csv(path, SUBJECT_COLUMNS, found.subjects.iter_rows())


def _verdicts(
    judgement: Judgement, bucket: Bucket, period: tuple[date | None, date | None]
) -> pl.DataFrame:
    """clinic_id, subject_id, rule_id, status, reason of the period's subjects, and each one's own
    status under the rule WHOLE."""
    first, last = period
    strangers = bucket.strangers.select("clinic_id", subject_id="outcome_id")
    subjects = judgement.subjects
    if subjects["subject_kind"].unique().to_list() == ["outcome"]:
        subjects = subjects.join(strangers, on=list(_KEY), how="anti")
    day = pl.col("local_date")
    if first is not None:
        subjects = subjects.filter(day >= first)
    if last is not None:
        subjects = subjects.filter(day <= last)
    mine = subjects.select("subject_no", *_KEY)
    rules = judgement.rules.select("rule_no", "rule_id")
    nothing = pl.lit(None, pl.String)
    each = (
        judgement.verdicts.join(mine, on="subject_no")
        .join(rules, on="rule_no")
        .join(judgement.words, on=["subject_no", "rule_no"], how="left")
        .select(*_KEY, "rule_id", pl.col("status").cast(pl.String), "reason")
    )
    whole = (
        subject_statuses(judgement)
        .join(mine, on="subject_no")
        .select(*_KEY, rule_id=pl.lit(WHOLE), status=pl.col("status").cast(pl.String),
                reason=nothing)
    )  # fmt: skip
    return pl.concat([each, whole])


def _compared(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Each subject and rule with the status before (`old`) and under the draft (`new`)."""
    keys = [*_KEY, "rule_id"]
    old = before.rename({"status": "old"}).drop("reason")
    new = after.rename({"status": "new"})
    both = old.join(new, on=keys, how="full", coalesce=True)
    for column, verdicts in (("old", before), ("new", after)):
        judged = verdicts.select(_KEY).unique().with_columns(_there=pl.lit(value=True))
        absent = pl.when(pl.col("_there")).then(pl.lit(NO_RULE)).otherwise(pl.lit(NOT_JUDGED))
        both = (
            both.join(judged, on=list(_KEY), how="left")
            .with_columns(pl.col(column).fill_null(absent))
            .drop("_there")
        )
    return both
