"""Mistakes that somebody could make in the engine; the tests must notice every one of them."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A rule kind, a file under `protocols/`, a text that stands there once, and a wrong one."""

    kind: str
    file: str
    right: str
    wrong: str


_VALUE, _ELAPSED = "kinds/value.py", "kinds/elapsed.py"
_OCCURRENCE, _CADENCE = "kinds/occurrence.py", "kinds/cadence.py"
_RATE, _CHANGE, _RESPONSE = "kinds/rate.py", "kinds/change.py", "kinds/response.py"
_LINKED, _COUNTING = "linked.py", "counting.py"

MUTANTS = (
    Mutant("value", _VALUE, "value >= rule.min - SLACK", "value > rule.min + SLACK"),
    Mutant("value", _VALUE, "value <= rule.max + SLACK", "value < rule.max - SLACK"),
    Mutant("value", _VALUE, "pl.any_horizontal(tests), f", "pl.all_horizontal(tests), f"),
    Mutant("value", _VALUE, 'rule.missing or "not_evaluable"', '"not_evaluable"'),
    Mutant("value", _VALUE, 'rule.missing or "not_evaluable"', 'rule.missing or "not_met"'),
    Mutant("value", _VALUE, "return pl.all_horizontal(tests)", "return pl.any_horizontal(tests)"),
    Mutant("value", _VALUE, "status=pl.when(value.is_null())", "status=pl.when(pl.lit(False))"),
    Mutant("value", _VALUE, 'numeric = compiled.type in ("number", "bool")',
           'numeric = compiled.type == "number"'),
    Mutant("value", _VALUE, "return value == pl.lit(item)", "return value != pl.lit(item)"),
    Mutant("value", _VALUE, "(value - pl.lit(float(item))).abs() <= SLACK",
           "(value - pl.lit(float(item))) <= SLACK"),

    Mutant("elapsed", _ELAPSED, "end >= judged.not_before", "end > judged.not_before"),
    Mutant("elapsed", _ELAPSED, "end <= judged.not_after", "end < judged.not_after"),
    Mutant("elapsed", _ELAPSED, "rule.max if rule.max is not None else rule.grace", "rule.grace"),
    Mutant("elapsed", _ELAPSED, "(deadline > judged.cutoff(judged.feed))",
           "(deadline >= judged.cutoff(judged.feed))"),
    Mutant("elapsed", _ELAPSED, "(deadline > judged.cutoff(judged.feed))",
           "(deadline < judged.cutoff(judged.feed))"),
    Mutant("elapsed", _ELAPSED, ".then(status(NOT_EVALUABLE))", ".then(status(NOT_MET))"),
    Mutant("elapsed", _ELAPSED, 'rule.missing or "not_evaluable"', '"not_evaluable"'),
    Mutant("elapsed", _ELAPSED, 'rule.missing or "not_evaluable"', 'rule.missing or "not_met"'),
    Mutant("elapsed", _ELAPSED, "pl.all_horizontal(tests)", "pl.any_horizontal(tests)"),
    Mutant("elapsed", _ELAPSED, "minutes(end - start)", "minutes(start - end)"),
    Mutant("elapsed", _ELAPSED, "end.is_null() & (deadline", "(deadline"),

    Mutant("occurrence", _OCCURRENCE, "too_many = n > most", "too_many = n >= most"),
    Mutant("occurrence", _OCCURRENCE, "enough = n >= least", "enough = n > least"),
    Mutant("occurrence", _OCCURRENCE, "least is not None and most is None", "least is not None"),
    Mutant("occurrence", _OCCURRENCE, '{rule.id}.known") == 0', '{rule.id}.n") == 0'),
    Mutant("occurrence", _OCCURRENCE, "still_open = end > cutoff", "still_open = end >= cutoff"),
    Mutant("occurrence", _OCCURRENCE,
           ".when(enough)\n        .then(status(MET))\n        .when(still_open)\n"
           "        .then(status(PENDING))",
           ".when(still_open)\n        .then(status(PENDING))\n        .when(enough)\n"
           "        .then(status(MET))"),
    Mutant("occurrence", _OCCURRENCE, "too_few = n < least", "too_few = n <= least"),
    Mutant("occurrence", _OCCURRENCE,
           'return "met" if rule.of in MET_WITHOUT_ROWS else "not_evaluable"', 'return "met"'),
    Mutant("occurrence", _OCCURRENCE,
           'return "met" if rule.of in MET_WITHOUT_ROWS else "not_evaluable"',
           'return "not_evaluable"'),
    Mutant("occurrence", _OCCURRENCE, 'return "not_met"', 'return "not_evaluable"'),
    Mutant("occurrence", _OCCURRENCE, "too_few | (untested", "too_few & (untested"),
    Mutant("occurrence", _LINKED, 'pl.col("_at") >= pl.col(f"{name}.start")',
           'pl.col("_at") > pl.col(f"{name}.start")'),
    Mutant("occurrence", _LINKED, 'pl.col("_at") <= pl.col(f"{name}.end")',
           'pl.col("_at") < pl.col(f"{name}.end")'),
    Mutant("occurrence", _LINKED, "return here.max() if last else here.min()",
           "return here.min() if last else here.max()"),

    Mutant("cadence", _CADENCE, 'rule.ends in ("both", "start")', 'rule.ends in ("both",)'),
    Mutant("cadence", _CADENCE, 'rule.ends in ("both", "end")', 'rule.ends in ("both",)'),
    Mutant("cadence", _CADENCE, "rule.every.minutes + rule.tolerance.minutes",
           "rule.every.minutes"),
    Mutant("cadence", _CADENCE, "largest <= allowed + SLACK", "largest < allowed - SLACK"),
    Mutant("cadence", _CADENCE, "pl.max_horizontal(gaps)", "pl.min_horizontal(gaps)"),
    Mutant("cadence", _CADENCE, "end > judged.cutoff(rule.of)", "end >= judged.cutoff(rule.of)"),
    Mutant("cadence", _CADENCE, " | (end < start)", ""),
    Mutant("cadence", _CADENCE, 'rule.missing or "not_met"', 'rule.missing or "not_evaluable"'),
    Mutant("cadence", _CADENCE, 'rule.missing or "not_met"', '"not_met"'),
    Mutant("cadence", _CADENCE, '(until - pl.col(f"{name}.gap"), until)', "(until, until)"),
    Mutant("cadence", _CADENCE,
           ".when(end > judged.cutoff(rule.of))\n        .then(status(PENDING))\n"
           "        .when(none)\n        .then(status(missing(rule)))",
           ".when(none)\n        .then(status(missing(rule)))\n"
           "        .when(end > judged.cutoff(rule.of))\n        .then(status(PENDING))"),

    Mutant("rate", _RATE, "n <= rule.at_most", "n < rule.at_most"),
    Mutant("rate", _RATE, ".then(status(NOT_EVALUABLE))", ".then(status(NOT_MET))"),
    Mutant("rate", _COUNTING, '(at > pl.col("_since"))', '(at >= pl.col("_since"))'),
    Mutant("rate", _COUNTING, "before = (at < start_at) |", "before = (at <= start_at) |"),
    Mutant("rate", _COUNTING,
           'before = (at < start_at) | ((at == start_at) & (pl.col("_other") < '
           'pl.col("_subject")))', "before = at < start_at"),
    Mutant("rate", _COUNTING, 'pl.col("_earlier").fill_null(0) + 1',
           'pl.col("_earlier").fill_null(0)'),
    Mutant("rate", _COUNTING, 'if rule.across == "patient"', 'if rule.across != "patient"'),
    Mutant("rate", _COUNTING, '((pl.col("status") == "aborted") & dosed)',
           '(pl.col("status") == "aborted")'),
    Mutant("rate", _COUNTING, ' | ((pl.col("status") == "aborted") & dosed)', ""),
    Mutant("rate", _COUNTING, "pl.when(pl.col(start).is_not_null())", "pl.when(pl.lit(True))"),
    Mutant("rate", _COUNTING, 'on=list(PATIENT), how="inner"', 'on=["clinic_id"], how="inner"'),

    Mutant("change", _CHANGE, "-difference, ", "difference, "),
    Mutant("change", _CHANGE, "-percent, ", "percent, "),
    Mutant("change", _CHANGE, "difference / then.abs() * 100", "difference / now.abs() * 100"),
    Mutant("change", _CHANGE, "(then == 0) & pl.lit(in_percent)", "pl.lit(False)"),
    Mutant("change", _CHANGE, "(then == 0) & pl.lit(in_percent)", "(then == 0)"),
    Mutant("change", _CHANGE, ".then(status(EXCLUDED))", ".then(status(NOT_EVALUABLE))"),
    Mutant("change", _CHANGE, 'rule.missing or "not_evaluable"', 'rule.missing or "not_met"'),
    Mutant("change", _CHANGE, 'rule.missing or "not_evaluable"', '"not_evaluable"'),
    Mutant("change", _CHANGE, "pl.all_horizontal([moved", "pl.any_horizontal([moved"),
    Mutant("change", _CHANGE, "moved <= limit + SLACK", "moved < limit - SLACK"),
    Mutant("change", _CHANGE, "difference = now - then", "difference = then - now"),
    Mutant("change", _CHANGE, 'pl.col("_previous_subject").is_null() | ', ""),

    Mutant("response", _COUNTING, "allow_exact_matches=False", "allow_exact_matches=True"),
    Mutant("response", _COUNTING, 'pl.col("_answered") > pl.col("_limit")',
           'pl.col("_answered") >= pl.col("_limit")'),
    Mutant("response", _COUNTING, '(pl.col("_limit") > pl.col("_cutoff"))',
           '(pl.col("_limit") >= pl.col("_cutoff"))'),
    Mutant("response", _COUNTING, '"_cutoff.{then.of}"', '"_cutoff.{trigger.of}"'),
    Mutant("response", _COUNTING, "rows.filter(test.fill_null(value=False))",
           "rows.filter(test.fill_null(value=True))"),
    Mutant("response", _RESPONSE,
           ".when(overdue > 0)\n        .then(status(NOT_MET))\n        .when(waiting > 0)\n"
           "        .then(status(PENDING))",
           ".when(waiting > 0)\n        .then(status(PENDING))\n        .when(overdue > 0)\n"
           "        .then(status(NOT_MET))"),
    Mutant("response", _RESPONSE, ".then(status(EXCLUDED))", ".then(status(MET))"),
    Mutant("response", _RESPONSE, "unanswered = overdue + waiting", "unanswered = overdue"),
    Mutant("response", _RESPONSE, ".then(status(NOT_EVALUABLE))", ".then(status(NOT_MET))"),
    Mutant("response", _RESPONSE, "for_want=pl.lit(value=True)", "for_want=pl.lit(value=False)"),
    Mutant("response", _RESPONSE, "of=rule.then.of,", "of=rule.trigger.of,"),
)  # fmt: skip
