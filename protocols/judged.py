"""Judged rows: which rows a protocol judges, under which version, with the columns that rules name.

One row is one session, dispense or outcome; its columns are those of `protocols.scope`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import polars as pl

from protocols.expressions import compile_expression
from protocols.facts import Facts
from protocols.model import Protocol
from protocols.scope import ITEMS, PEOPLE, feed_columns, named_columns, population_columns
from protocols.times import local_day, minutes

IDS = {"sessions": "session_id", "dispenses": "dispense_id", "outcomes": "outcome_id"}
STARTS = {"sessions": "started_at", "dispenses": "dispensed_at", "outcomes": "administered_at"}
PATIENT = ("clinic_id", "patient_id")
_ALWAYS = {*PATIENT, *IDS.values(), *STARTS.values(), "local_date", "program", "status"}


def judged_rows(
    protocols: Iterable[Protocol], facts: Facts
) -> Iterator[tuple[list[Protocol], pl.DataFrame]]:
    """The versions of each protocol, oldest first, and the rows that any of them may judge, with
    `_version`, the index of the one that does (null: the row only counts for a course), `_scope`,
    whether any version's population holds it, and `_judged`, whether it is of the kind that is
    judged.

    Protocols of one feed and drug come one after the other: they share what is prepared.
    """
    ordered = sorted(protocols, key=lambda p: (_alike(p), p.protocol, p.effective.from_))
    for _, group in groupby(ordered, key=_alike):
        alike = list(group)
        prepared = _prepared(alike, facts)
        for _, versions in groupby(alike, key=lambda p: p.protocol):
            governing = list(versions)
            yield (
                governing,
                _governed(governing, prepared.select(_needed(prepared, governing)), facts),
            )


def _alike(protocol: Protocol) -> tuple[str, str]:
    return protocol.judges, protocol.drug or ""


def _governed(versions: Sequence[Protocol], rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    first = versions[0]
    zones = facts.zone_names
    scopes = [_in_scope(version) for version in versions]
    dates = [_in_force(version, pl.col("local_date")) for version in versions]
    by_course = first.in_force_by == "course"
    holds = scopes if by_course else [a & b for a, b in zip(scopes, dates, strict=True)]
    rows = rows.with_columns(
        _scope=pl.any_horizontal(scopes).fill_null(value=False),
        _governs=pl.any_horizontal([a & b for a, b in zip(scopes, dates, strict=True)])
        .fill_null(value=False),
        _held=pl.any_horizontal(holds).fill_null(value=False) & pl.col("_judged"),
    )  # fmt: skip
    if first.judges == "sessions":
        rows = _with_courses(rows, first, zones)
    day = pl.col("local_date")
    if by_course:
        day = pl.coalesce(local_day(pl.col("course_started_at"), zones), day)
    number = pl.lit(None, pl.Int32)
    for at, (version, scope) in enumerate(zip(versions, scopes, strict=True)):
        mine = scope & _in_force(version, day) & pl.col("_judged")
        number = pl.when(mine).then(pl.lit(at, pl.Int32)).otherwise(number)
    return rows.with_columns(_version=number)


def _needed(rows: pl.DataFrame | pl.LazyFrame, protocols: Sequence[Protocol]) -> list[str]:
    """Columns of prepared rows that the protocols, or whoever judges by them, may name."""
    needed = named_columns(protocols) | _ALWAYS
    return [name for name in rows.collect_schema() if name in needed or name.startswith("_")]


def _prepared(protocols: Sequence[Protocol], facts: Facts) -> pl.DataFrame:
    protocol = protocols[0]
    feed, zones = protocol.judges, facts.zone_names
    rows = facts.evidence(feed).join(facts.zones.lazy(), on="clinic_id", how="left")
    rows = rows.with_columns(_subject=pl.col(IDS[feed]))
    if feed == "sessions":
        rows = _with_doses(rows, protocol, facts)
        at = pl.coalesce("started_at", "scheduled_at")
    else:
        at = pl.col(STARTS[feed])
        rows = rows.with_columns(_judged=pl.lit(value=True))
    rows = rows.with_columns(local_date=local_day(at, zones))
    if feed == "dispenses":
        rows = _with_previous_dispense(rows)
    if feed == "outcomes":
        rows = with_items(rows)
    rows = _with_patient(rows, feed, facts)
    for person, key in PEOPLE[feed].items():
        known = pl.col(f"{person}.staff_id").is_not_null()
        staff = _prefixed(facts, "staff", f"{person}.").with_columns(
            pl.col(f"{person}.staff_id").alias(key)
        )
        rows = rows.join(staff, on=["clinic_id", key], how="left").with_columns(
            pl.when(known).then(pl.col("clinic_id")).alias(f"{person}.clinic_id")
        )
    clinics = _prefixed(facts, "clinics", "clinic.")
    rows = rows.join(clinics, on="clinic_id", how="left").with_columns(
        pl.col("clinic_id").alias("clinic.clinic_id")
    )
    if feed == "sessions":
        rows = _with_lifetime(rows)
    return rows.select(_needed(rows, protocols)).collect()


def _prefixed(facts: Facts, feed: str, prefix: str) -> pl.LazyFrame:
    """Another feed's columns under a prefix, with clinic_id to join on."""
    names = [name for name in feed_columns(feed) if name != "clinic_id"]
    return facts.frames[feed].select(
        "clinic_id", *(pl.col(name).alias(f"{prefix}{name}") for name in names)
    )


def _with_doses(rows: pl.LazyFrame, protocol: Protocol, facts: Facts) -> pl.LazyFrame:
    """Columns of the session's doses of the protocol's drug."""
    doses = facts.evidence("doses").filter(pl.col("session_id").is_not_null())
    unknown_end = (pl.col("devices") > 1) & pl.col("ended_at").is_null()
    drug = doses.filter(pl.col("drug") == protocol.drug) if protocol.drug else doses.head(0)
    given = drug.group_by("clinic_id", "session_id").agg(
        dose_mg=pl.col("amount_mg").sum().round(9),
        dose_count=pl.len().cast(pl.Int64),
        first_dose_at=pl.col("started_at").min(),
        last_dose_at=pl.when(~unknown_end.any()).then(pl.coalesce("ended_at", "started_at").max()),
    )
    dosed = pl.col("dose_count") > 0
    return (
        rows.join(given, on=["clinic_id", "session_id"], how="left")
        .with_columns(
            pl.col("dose_count").fill_null(0),
            started_at=pl.coalesce("started_at", "first_dose_at"),
            dose_mg_per_kg=pl.col("dose_mg") / pl.col("weight_kg"),
        )
        .with_columns(
            infusion_minutes=minutes(pl.col("ended_at") - pl.col("started_at")),
            _judged=(pl.col("status") == "completed") | ((pl.col("status") == "aborted") & dosed),
        )
    )


def _with_lifetime(rows: pl.LazyFrame) -> pl.LazyFrame:
    dosed = (pl.col("dose_count") > 0).cast(pl.Int64)
    earlier = (dosed.cum_sum() - dosed).over(PATIENT, order_by=["started_at", "session_id"])
    prior = pl.col("patient.prior_sessions").fill_null(0)
    return rows.with_columns(
        lifetime_index=pl.when(pl.col("started_at").is_not_null()).then(prior + earlier + 1)
    )


def _with_patient(rows: pl.LazyFrame, feed: str, facts: Facts) -> pl.LazyFrame:
    """The patient's columns, under `patient.` and, where the feed has none of the name, plainly."""
    names = [name for name in feed_columns("patients") if name not in PATIENT]
    patients = facts.frames["patients"].select(
        *PATIENT,
        _birth_date=pl.col("birth_date"),
        _known=pl.lit(value=True),
        **{f"patient.{name}": pl.col(name) for name in names},
    )
    own = feed_columns(feed)
    plain = {name: pl.col(f"patient.{name}") for name in names if name not in own}
    born, day = pl.col("_birth_date"), pl.col("local_date")
    before = (day.dt.month() < born.dt.month()) | (
        (day.dt.month() == born.dt.month()) & (day.dt.day() < born.dt.day())
    )
    return rows.join(patients, on=PATIENT, how="left").with_columns(
        **plain,
        age_years=(day.dt.year() - born.dt.year() - before.cast(pl.Int32)).cast(pl.Int64),
        **{f"patient.{key}": pl.when(pl.col("_known")).then(pl.col(key)) for key in PATIENT},
    )


def _with_previous_dispense(rows: pl.LazyFrame) -> pl.LazyFrame:
    def previous(name: str) -> pl.Expr:
        return (
            pl.col(name).shift(1).over([*PATIENT, "drug"], order_by=["dispensed_at", "dispense_id"])
        )

    return rows.with_columns(
        amount_mg=(pl.col("strength_mg") * pl.col("quantity")).round(9),
        previous_dispensed_at=previous("dispensed_at"),
        previous_local_date=previous("local_date"),
        previous_days_supply=previous("days_supply"),
    )


def with_items(rows: pl.LazyFrame) -> pl.LazyFrame:
    """item_1 ... item_40 of outcomes; what is no number counts as not answered."""
    parts = pl.col("items").str.split(";")
    return rows.with_columns(
        **{
            name: parts.list.get(at, null_on_oob=True)
            .str.strip_chars()
            .cast(pl.Float64, strict=False)
            for at, name in enumerate(ITEMS)
        }
    )


def _in_scope(version: Protocol) -> pl.Expr:
    tests = [pl.lit(value=True)]
    if version.programs is not None:
        tests.append(pl.col("program").is_in(list(version.programs)))
    if version.clinics is not None:
        tests.append(pl.col("clinic_id").is_in(list(version.clinics)))
    if version.population is not None:
        columns = population_columns(version.judges)
        tests.append(compile_expression(version.population, columns).polars)
    return pl.all_horizontal(tests).fill_null(value=False)


def _in_force(version: Protocol, day: pl.Expr) -> pl.Expr:
    until = version.effective.to
    open_end = pl.lit(value=True) if until is None else day <= until
    return ((day >= version.effective.from_) & open_end).fill_null(value=False)


def _with_courses(rows: pl.DataFrame, protocol: Protocol, zones: Sequence[str]) -> pl.DataFrame:
    """Courses over the rows that the protocol judges; a row without a start belongs to none."""
    order = [*PATIENT, "started_at", "session_id"]
    part = pl.col("_held") & pl.col("started_at").is_not_null()
    started = rows.filter(part).sort(order)
    same = pl.all_horizontal([pl.col(name) == pl.col(name).shift(1) for name in PATIENT])
    apart = (pl.col("started_at") - pl.col("started_at").shift(1)) > protocol.course.gap.delta
    started = started.with_columns(_opens=(~same | apart).fill_null(value=True))
    started = started.with_columns(
        _course_no=pl.col("_opens").cum_sum(),
        course=pl.col("_opens").cast(pl.Int64).cum_sum().over(PATIENT),
    )
    day = pl.col("local_date")
    started = started.with_columns(
        course_index=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("_course_no"),
        course_started_at=pl.col("started_at").first().over("_course_no"),
        course_day=((day - day.first().over("_course_no")).dt.total_days() + 1).cast(pl.Int64),
        previous_started_at=pl.col("started_at").shift(1).over("_course_no"),
        next_started_at=pl.col("started_at").shift(-1).over("_course_no"),
        _previous_subject=pl.col("_subject").shift(1).over("_course_no"),
    ).with_columns(course_week=(pl.col("course_day") - 1) // 7 + 1)
    return pl.concat([started, rows.filter(~part)], how="diagonal")
