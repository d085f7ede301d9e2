"""Billing codes against what was charted: charges that disagree with a check, or can't be checked.

The checks are data (`protocols/costs.yaml`). A row is one charge and check; what agrees has none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import polars as pl

from flows.metrics.cost import SESSION
from flows.metrics.money import MILLION, millionths
from protocols.costs import CodeCheck
from protocols.sentences import sentence

_DAY = ("clinic_id", "patient_id", "service_on")
_MINUTE_MICROSECONDS = 60 * MILLION


def billing_findings(
    charges: pl.LazyFrame,
    sessions: pl.LazyFrame,
    doses: pl.LazyFrame,
    dosing: pl.LazyFrame,
    lost: pl.LazyFrame,
    checks: Sequence[CodeCheck],
) -> pl.LazyFrame:
    """One row is one charge that disagrees with a check, or cannot be checked.

    `charges` are all of their patients; `sessions` and `doses` those that charges name; `dosing`
    are the clinics (clinic_id) that ever delivered doses, `lost` sessions (clinic_id, session_id)
    with a dose in quarantine.
    """
    written = charges.with_columns(code=pl.col("code").str.strip_chars().str.to_uppercase())
    charted = _charted(sessions, doses, dosing, checks)
    in_doubt = lost.select(*SESSION, _lost=pl.lit(value=True)).unique()
    rows = (
        written.join(charted, on=SESSION, how="left")
        .join(in_doubt, on=SESSION, how="left")
        .with_columns(
            _known=pl.col("_known").fill_null(value=False),
            _dosed=pl.col("_dosed").fill_null(value=False) & pl.col("_lost").is_null(),
        )
    )
    found = pl.concat([_checked(rows, check) for check in checks])
    return found.sort("clinic_id", "charge_id", "check_id")


def _charted(
    sessions: pl.LazyFrame, doses: pl.LazyFrame, dosing: pl.LazyFrame, checks: Sequence[CodeCheck]
) -> pl.LazyFrame:
    """Of each session: minutes from start to end, milligrams by drug, how doses were acquired."""
    given = doses.group_by(SESSION).agg(
        _first_dose=pl.col("started_at").min(),
        _acquired=pl.col("acquisition").drop_nulls().unique(),
        **{
            f"_mg_{drug}": millionths(pl.col("amount_mg")).filter(pl.col("drug") == drug).sum()
            for drug in sorted(_drugs(checks))
        },
    )
    delivered = dosing.select("clinic_id", _dosed=pl.lit(value=True))
    took = pl.col("ended_at") - pl.coalesce("started_at", "_first_dose")
    return (
        sessions.join(given, on=SESSION, how="left")
        .join(delivered, on="clinic_id", how="left")
        .select(
            *SESSION,
            "_dosed",
            _known=pl.lit(value=True),
            _route=pl.col("route"),
            _took=took.dt.total_microseconds(),
            _acquired=pl.col("_acquired").fill_null([]),
            **{f"_mg_{drug}": pl.col(f"_mg_{drug}").fill_null(0) for drug in _drugs(checks)},
        )
    )


def _drugs(checks: Sequence[CodeCheck]) -> set[str]:
    named = [check.units_mg_of or (check.dose.drug if check.dose else None) for check in checks]
    return {drug for drug in named if drug}


def _checked(rows: pl.LazyFrame, check: CodeCheck) -> pl.LazyFrame:
    """Charges of one check's codes, with whether they agree (null: it can't be said) and why."""
    day = pl.col("service_on")
    within = _between(day, check.from_, check.to)
    mine = rows.filter(pl.col("code").is_in([code.upper() for code in check.codes]) & within)
    if check.without:
        mine = mine.join(_same_day(rows, check), on=_DAY, how="left").with_columns(
            pl.col("_others").fill_null(0)
        )
    agrees, reason = _ASPECTS[check.aspect](check)
    return (
        mine.with_columns(_agrees=agrees)
        .filter(~pl.col("_agrees").fill_null(value=False))
        .select(
            "clinic_id", "charge_id", "patient_id", "session_id", "payer_kind", "service_on",
            "code", "billed_usd",
            check_id=pl.lit(check.id),
            title=pl.lit(check.title),
            tier=pl.lit(check.tier),
            status=pl.when(pl.col("_agrees").is_null()).then(pl.lit("not_evaluable"))
            .otherwise(pl.lit("disagrees")),
            reason=pl.when(pl.col("_agrees").is_null()).then(_unknown())
            .otherwise(pl.coalesce(reason, pl.lit(check.title))),
        )
    )  # fmt: skip


def _unknown() -> pl.Expr:
    return (
        pl.when(pl.col("session_id").is_null())
        .then(pl.lit("the charge names no session"))
        .when(~pl.col("_known"))
        .then(pl.lit("the session that the charge names is not there"))
        .otherwise(pl.lit("what it needs was not charted or not delivered"))
    )


def _between(value: pl.Expr, low: object, high: object) -> pl.Expr:
    """Ends included; null is open."""
    test = value.is_not_null()
    if low is not None:
        test &= value >= pl.lit(low)
    if high is not None:
        test &= value <= pl.lit(high)
    return test


def _same_day(rows: pl.LazyFrame, check: CodeCheck) -> pl.LazyFrame:
    others = rows.filter(pl.col("code").is_in(list(check.without)))
    return others.group_by(_DAY).agg(
        _others=pl.len().cast(pl.Int64), _codes=pl.col("code").unique().sort().str.join(", ")
    )


_Aspect = tuple[pl.Expr, pl.Expr]


def _in_force(check: CodeCheck) -> _Aspect:
    held = check.in_force
    assert held is not None
    said = f"in force from {held.from_}" if held.from_ else f"in force up to {held.to}"
    return _between(pl.col("service_on"), held.from_, held.to), pl.lit(f"the code is {said}")


def _units(check: CodeCheck) -> _Aspect:
    units, mg = millionths(pl.col("units")), pl.col(f"_mg_{check.units_mg_of}")
    return (
        _if_dosed(units == mg),
        sentence("{} units billed, {} mg given", _plain(units), _plain(mg)),
    )


def _dose(check: CodeCheck) -> _Aspect:
    held = check.dose
    assert held is not None
    mg = pl.col(f"_mg_{held.drug}")
    agrees = mg > _whole(held.above)
    limits = f"more than {held.above:g}"
    if held.at_most is not None:
        agrees &= mg <= _whole(held.at_most)
        limits += f", at most {held.at_most:g}"
    return _if_dosed(agrees), sentence(f"{{}} mg given; the code is for {limits}", _plain(mg))


def _infusion(check: CodeCheck) -> _Aspect:
    held = check.infusion
    assert held is not None
    took = pl.col("_took")
    agrees = took >= int(held.at_least * _MINUTE_MICROSECONDS)
    told = sentence(
        f"{{}} min from start to end; the code needs at least {held.at_least:g}",
        took // _MINUTE_MICROSECONDS,
    )
    return agrees, told


def _routes(check: CodeCheck) -> _Aspect:
    route = pl.col("_route")
    needs = " or ".join(check.routes)
    return route.is_in(list(check.routes)), sentence(f"given {{}}; the code is for {needs}", route)


def _without(check: CodeCheck) -> _Aspect:
    return pl.col("_others") == 0, sentence("billed on the same day: {}", pl.col("_codes"))


def _not_acquired(check: CodeCheck) -> _Aspect:
    found = pl.col("_acquired").list.set_intersection(list(check.not_acquired)).list.sort()
    return (
        _if_dosed(found.list.len() == 0),
        sentence("the drug came as {}", found.list.join(", ")),
    )


_ASPECTS: Mapping[str, Callable[[CodeCheck], _Aspect]] = {
    "in_force": _in_force, "units_mg_of": _units, "dose": _dose, "infusion": _infusion,
    "routes": _routes, "without": _without, "not_acquired": _not_acquired,
}  # fmt: skip


def _if_dosed(agrees: pl.Expr) -> pl.Expr:
    """Null where the session is not there, or its doses are not delivered or lie in quarantine."""
    return pl.when(pl.col("_known") & pl.col("_dosed")).then(agrees)


def _whole(number: float) -> pl.Expr:
    return pl.lit(round(number * MILLION), pl.Int128)


def _plain(held: pl.Expr) -> pl.Expr:
    """Millionths as a number without trailing noughts."""
    return (held.cast(pl.Float64) / MILLION).cast(pl.String).str.strip_suffix(".0")
