"""Buckets of patients judged: rows as the marts take them, in the order of the buckets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from flows.beside import beside
from flows.frames import Bucket
from flows.metrics.adherence import monthly_counts
from protocols.evaluate import Judgement, judge, subject_statuses
from protocols.model import Protocol


@dataclass(frozen=True)
class JudgedBucket:
    """What a bucket adds: rows of `marts.subjects` and `marts.verdicts` (`subject_no` from 0 on),
    `marts.findings` without ids and runs, `marts.governance`, and the verdicts' counts by month."""

    subjects: pl.DataFrame
    verdicts: pl.DataFrame
    findings: pl.DataFrame
    governance: pl.DataFrame
    counts: pl.DataFrame


def judged_buckets(
    buckets: Iterable[Bucket],
    protocols: Sequence[Protocol],
    only: pl.DataFrame | None,
    waived: pl.DataFrame,
) -> Iterator[JudgedBucket]:
    """Each bucket judged, of `only` these subjects; `waived` are the waivers in force."""
    return beside(buckets, lambda bucket: _judged(bucket, protocols, only, waived))


def _judged(
    bucket: Bucket,
    protocols: Sequence[Protocol],
    only: pl.DataFrame | None,
    waived: pl.DataFrame,
) -> JudgedBucket:
    judgement = _numbered(_own(judge(protocols, bucket.facts, only), bucket))
    verdicts = _with_waivers(judgement, waived)
    rules = judgement.rules.select("rule_no", "rule_id", "severity", "tier")
    return JudgedBucket(
        subjects=judgement.subjects.join(subject_statuses(judgement), on="subject_no"),
        verdicts=verdicts,
        findings=judgement.words.join(verdicts, on=["subject_no", "rule_no"])
        .join(judgement.subjects, on="subject_no")
        .join(rules, on="rule_no")
        .drop("subject_no", "rule_no", "program", "local_date", "course", "course_started_at"),
        governance=judgement.governance,
        counts=monthly_counts(verdicts, judgement.subjects),
    )


def _own(judgement: Judgement, bucket: Bucket) -> Judgement:
    """Without outcomes that are judged in another bucket."""
    if bucket.strangers.is_empty():
        return judgement
    others = bucket.strangers.select(
        "clinic_id", subject_id="outcome_id", subject_kind=pl.lit("outcome")
    )
    subjects = judgement.subjects.join(others, on=others.columns, how="anti")
    mine = {
        name: getattr(judgement, name).join(subjects, on="subject_no", how="semi")
        for name in ("verdicts", "words")
    }
    return replace(judgement, subjects=subjects, **mine)


def _numbered(judgement: Judgement) -> Judgement:
    """Subject numbers from 0 on, without gaps."""
    numbers = judgement.subjects.select("subject_no", _no=pl.int_range(pl.len()).cast(pl.UInt32))
    if numbers["subject_no"].equals(numbers["_no"]):
        return judgement

    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        joined = frame.join(numbers, on="subject_no")
        return joined.with_columns(subject_no=pl.col("_no")).drop("_no")

    return replace(
        judgement,
        subjects=moved(judgement.subjects),
        verdicts=moved(judgement.verdicts),
        words=moved(judgement.words),
    )


def _with_waivers(judgement: Judgement, waived: pl.DataFrame) -> pl.DataFrame:
    verdicts = judgement.verdicts
    if waived.is_empty():
        return verdicts.with_columns(waived=pl.lit(value=False))
    marked = (
        waived.join(judgement.subjects, on=["clinic_id", "subject_id"])
        .join(judgement.rules, on=["rule_id", "protocol", "protocol_version"])
        .select("subject_no", "rule_no", "waived")
    )
    return verdicts.join(marked, on=["subject_no", "rule_no"], how="left").with_columns(
        pl.col("waived").fill_null(value=False)
    )
