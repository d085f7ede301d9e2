"""Each way of getting a protocol file wrong: one sentence with file, line and the nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.load import load_protocol, load_protocols

FILE = """\
protocol: mine
version: 1.0.0
title: Mine
effective: {from: 2025-01-01}
drug: ketamine
programs: [iv_ketamine]
sources:
  trial: {citation: A trial, tier: T3}
measures:
  lowest: {of: vitals, window: [started_at, ended_at], take: min, expr: spo2_pct}
  worst: {of: vitals, take: max, expr: systolic_mmhg}
rules:
  - id: dose
    title: Dose
    kind: value
    severity: major
    tier: T4
    expr: dose_mg
    min: 10
    max: 100
  - id: readings
    title: Readings
    kind: cadence
    severity: minor
    tier: T3
    source: trial
    of: vitals
    window: [started_at, ended_at]
    every: 15m
    among: systolic_mmhg is not null
  - id: time
    title: Time
    kind: elapsed
    severity: minor
    tier: T4
    from: started_at
    to: ended_at
    min: 30m
    max: 60m
  - id: calm
    title: Calm
    kind: response
    severity: minor
    tier: T4
    trigger: {of: vitals, where: systolic_mmhg > 180}
    then: {of: vitals, where: systolic_mmhg <= 180, within: 20m}
  - id: week
    title: Week
    kind: rate
    severity: minor
    tier: T4
    within: 7d
    at_most: 3
examples:
  - title: High
    row: {status: completed, program: iv_ketamine, started_at: 2025-03-03T15:00:00Z, weight_kg: 80}
    feeds:
      doses:
        - {drug: ketamine, amount_mg: 400, started_at: 2025-03-03T15:00:00Z}
    expect: {dose: not_met}
"""
DISPENSES = """\
protocol: home
version: 1.0.0
title: Home
effective: {from: 2025-01-01}
judges: dispenses
rules:
  - {id: days, title: Days, kind: value, severity: major, tier: T4, expr: days_supply, max: 30}
"""
EXTENDING = """\
protocol: harbor
version: 1.0.0
title: Harbor
extends: mine@1.0.0
overrides:
  readings: {every: 20m}
rules:
  - id: weight
    title: Weight
    kind: value
    severity: minor
    tier: T4
    expr: weight_kg
    max: 200
"""
# what is wrong, what is replaced, by what, on which line (of the file as changed), what is said
WRONG = [
    ("anchor", "title: Mine", "title: &t Mine", 3, "aliases"),
    ("alias", "title: Mine", "title: *t", 3, "aliases"),
    ("tag", "title: Mine", "title: !!str Mine", 3, "tags"),
    ("duplicate key", "drug: ketamine", "drug: ketamine\ndrug: esketamine", 6, "twice"),
    ("unquoted no", "drug: ketamine", "drug: no", 5, "unquoted no"),
    ("merge key", "sources:\n", "sources:\n  <<: {a: 1}\n", 8, ""),
    ("second document", "measures:", "---\nmeasures:", 9, "second document"),
    ("unknown key", "drug:", "drugs:", 5, "did you mean drug?"),
    ("unknown key of a rule", "every: 15m", "evry: 15m", 29, "did you mean every?"),
    ("unknown key of a measure", "take: min", "tke: min", 10, "did you mean take?"),
    ("unknown key of a trigger", "{of: vitals, where: systolic_mmhg > 180}",
     "{of: vitals, wher: systolic_mmhg > 180}", 45, "did you mean where?"),
    ("unknown key of a date", "{from: 2025-01-01}", "{form: 2025-01-01}", 4, "did you mean from?"),
    ("unknown key of a source", "citation: A", "citaton: A", 8, "did you mean citation?"),
    ("an inner name", "from: started_at", "from_: started_at", 36, "did you mean from?"),
    ("a key Keel computes", "title: Mine", "title: Mine\nsha256: ab", 4, "Keel computes"),
    ("unknown column", "expr: dose_mg", "expr: dose_mgs", 18, "did you mean dose_mg?"),
    ("misspelt column of a feed", "among: systolic_mmhg", "among: sistolic_mmhg", 30,
     "did you mean systolic_mmhg?"),
    ("misspelt column in a second measure", "expr: systolic_mmhg", "expr: sistolic_mmhg", 11,
     "did you mean systolic_mmhg?"),
    ("misspelt value of a closed word", "severity: major", "severity: majr", 16,
     "did you mean major?"),
    ("misspelt anchor", "[started_at, ended_at]\n    every", "[strated_at, ended_at]\n    every",
     28, "did you mean started_at?"),
    ("anchor that is an expression", "to: ended_at", "to: coalesce(ended_at, discharged_at)", 37,
     "no column that names a time"),
    ("anchor in quotes of SQL", "to: ended_at", "to: '\"ended_at\"'", 37, "no column that names"),
    ("anchor that is no time", "to: ended_at", "to: weight_kg", 37, "neither a timestamp"),
    ("misspelt column of an example", "weight_kg: 80", "wieght_kg: 80", 56,
     "did you mean weight_kg?"),
    ("unreadable value of an example", "amount_mg: 400", "amount_mg: plenty", 59,
     "amount_mg is not a number"),
    ("value outside of a list in an example", "status: completed", "status: complete", 56,
     "status is none of scheduled"),
    ("example that expects an unknown rule", "expect: {dose", "expect: {dosse", 60,
     "did you mean dose?"),
    ("example with an unknown feed", "doses:\n", "dose:\n", 58, "did you mean doses?"),
    ("example like none before it", "title: High", "title: High\n    like: Higher", 56,
     "no example of that title before"),
    ("dangling source", "source: trial", "source: trail", 26, "did you mean trial?"),
    ("source on a T4 rule", "expr: dose_mg", "source: trial\n    expr: dose_mg", 18,
     "must not name a source"),
    ("T1 without a source", "tier: T4\n    expr", "tier: T1\n    expr", 17, "needs a source"),
    ("T2 without a source", "tier: T4\n    expr", "tier: T2\n    expr", 17, "needs a source"),
    ("T3 without a source", "    source: trial\n", "", 25, "needs a source"),
    ("another tier than the source's", "tier: T3\n    source", "tier: T2\n    source", 26,
     "its source is T3"),
    ("unknown kind", "kind: cadence", "kind: cadense", 23, "did you mean cadence?"),
    ("no kind", "    kind: cadence\n", "", 21, "no kind"),
    ("unknown feed", "of: vitals\n", "of: vitlas\n", 27, "did you mean vitals?"),
    ("parameter of another kind", "expr: dose_mg", "expr: dose_mg\n    every: 15m", 19,
     "it is of the kind cadence, this rule's is value"),
    ("two kinds of limits", "max: 100", "max: 100\n    is: true", 13, "needs `min` or `max`"),
    ("limits nothing meets", "min: 10\n", "min: 1000\n", 19, "nothing is at least 1000"),
    ("lengths nothing meets", "min: 30m", "min: 90m", 38, "nothing lasts at least 90m"),
    ("number in quotes", "max: 100", "max: '100'", 20, "must be a number"),
    ("truth as a number", "max: 100", "max: true", 20, "must be a number"),
    ("no number", "max: 100", "max: .nan", 20, "finite number"),
    ("number as text", "drug: ketamine", "drug: 5", 5, "must be text"),
    ("one in place of a list", "[iv_ketamine]", "iv_ketamine", 6, "must be a list"),
    ("list in place of a block", "effective: {from: 2025-01-01}", "effective: [2025-01-01]", 4,
     "must be a block"),
    ("version of two parts", "version: 1.0.0", "version: '1.0'", 2, "must look like 1.0.0"),
    ("date compared with a timestamp", "among: systolic_mmhg is not null",
     "among: measured_at > this.local_date", 30, "mixes a date with a timestamp"),
    ("text compared with a number", "among: systolic_mmhg is not null",
     "among: systolic_mmhg > 'high'", 30, "mixes a number with a text"),
    ("bad duration", "every: 15m", "every: 15 minutes", 29, "15m, 2h, 7d"),
    ("endless duration", "within: 7d", "within: 99999999d", 52, "hundred years"),
    ("cadence of no time", "every: 15m", "every: 0s", 29, "longer than no time"),
    ("cadence of calendar days", "every: 15m", "every: 1cd", 29, "counts exact time"),
    ("bad window", "window: [started_at, ended_at]\n    every", "window: started_at\n    every", 28,
     "is no window"),
    ("bad bound", "[started_at, ended_at]\n    every", "[started_at, ended_at + soon]\n    every",
     28, "15m, 2h, 7d"),
    ("open cadence", "[started_at, ended_at]\n    every", "[started_at, null]\n    every", 28,
     "needs both ends"),
    ("a rule twice", "id: time", "id: dose", 31, "stands here twice"),
    ("end before the beginning", "{from: 2025-01-01}", "{from: 2025-01-01, to: 2024-12-31}", 4,
     "is before 2025-01-01"),
    ("measure named as a column", "lowest:", "weight_kg:", 10, "is a column already"),
    ("measure with an odd name", "lowest:", "Lowest:", 10, "is no name for a measure"),
    ("no rules", FILE[FILE.index("rules:") : FILE.index("examples:")], "rules: []\n", 12, ""),
    ("overrides without extends", "title: Mine", "title: Mine\noverrides: {dose: {max: 5}}", 4,
     "need `extends"),
]  # fmt: skip


def told(path: Path, folder: Path | None = None) -> str:
    with pytest.raises(ProtocolError) as error:
        load_protocol(path, [folder] if folder else [])
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 500
    assert said.endswith((".", "?"))
    return said


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_file_itself_is_right(tmp_path: Path) -> None:
    assert len(load_protocol(written(tmp_path, FILE)).rules) == 5
    assert load_protocol(written(tmp_path, DISPENSES)).judges == "dispenses"


@pytest.mark.parametrize(("what", "old", "new", "line", "words"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_told(
    tmp_path: Path, what: str, old: str, new: str, line: int, words: str
) -> None:
    assert FILE.count(old) >= 1, what
    path = written(tmp_path, FILE.replace(old, new, 1))
    said = told(path)
    assert said.startswith(f"{path}, line {line}: "), said
    assert words in said, said


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("judges: dispenses", "judges: dispenses\nprograms: [home]", 6, "programs is of sessions"),
        ("judges: dispenses", "judges: dispenses\ncourse: {gap: 60d}", 6, "course is of sessions"),
        ("judges: dispenses", "judges: dispenses\nin_force_by: course", 6, "in_force_by is of"),
        ("kind: value", "kind: change", 7, "max is not known here"),
        ("kind: value, severity: major, tier: T4, expr: days_supply, max: 30",
         "kind: change, severity: major, tier: T4, expr: days_supply, max_increase: 3", 7,
         "the kind change is of sessions"),
        ("expr: days_supply", "expr: course_index", 7, "no column here"),
        ("expr: days_supply", "expr: dose_mg", 7, "no column here"),
    ],
)  # fmt: skip
def test_what_is_of_sessions_is_refused_elsewhere(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    path = written(tmp_path, DISPENSES.replace(old, new, 1))
    said = told(path)
    assert said.startswith(f"{path}, line {line}: "), said
    assert words in said


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("extends: mine@1.0.0", "extends: mine@1.0.1", 4, "did you mean mine@1.0.0?"),
        ("extends: mine@1.0.0", "extends: harbor@1.0.0", 4, "not there to be extended"),
        ("extends: mine@1.0.0", "extends: [mine]", 4, "not there to be extended"),
        ("  readings: {", "  reading: {", 6, "did you mean readings?"),
        ("every: 20m", "evry: 20m", 6, "did you mean every?"),
        ("every: 20m", "every: soon", 6, "15m, 2h, 7d"),
        ("every: 20m", "among: pulse > 3", 6, "no column here"),
        ("every: 20m", "id: other", 6, "keeps its id"),
        ("every: 20m", "dropped: more often, every: 20m", 6, "has its reason"),
        ("{every: 20m}", "5", 6, "changed parameters"),
        ("{every: 20m}", "{dropped: 5}", 6, "has its reason"),
        ("{every: 20m}", "{tier: T4}", 6, "must not name a source"),
        ("overrides:\n  readings: {every: 20m}", "overrides: [readings]", 5, "one rule a line"),
        ("expr: weight_kg", "expr: wieght_kg", 13, "did you mean weight_kg?"),
        ("max: 200", "maximum: 200", 14, "did you mean max"),
        ("id: weight", "id: dose", 8, "has a rule dose already"),
        ("overrides:", "drug: 5\noverrides:", 5, "must be text"),
        ("overrides:", "measures:\n  low: {of: vitals, take: min, expr: o2}\noverrides:", 6,
         "no column here"),
        ("overrides:", "effective: {from: January}\noverrides:", 5, "must be a date"),
    ],
)  # fmt: skip
def test_the_line_is_right_in_a_file_that_extends(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert EXTENDING.count(old) == 1
    written(tmp_path / "library", FILE)
    path = written(tmp_path, EXTENDING.replace(old, new, 1), "harbor.yaml")
    said = told(path, tmp_path / "library")
    assert said.startswith(f"{path}, line {line}: "), said
    assert words in said, said


def test_what_breaks_in_the_extended_file_names_both(tmp_path: Path) -> None:
    base = written(tmp_path / "library", FILE)
    text = EXTENDING.replace("overrides:", "judges: dispenses\nprograms: null\noverrides:")
    said = told(written(tmp_path, text, "harbor.yaml"), tmp_path / "library")
    assert re.search(rf"harbor\.yaml, line 4: in what it extends \({base}, line \d+\): ", said)


def test_a_file_that_extends_itself_in_a_ring_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    for name, other in (("a", "b"), ("b", "a")):
        written(folder, f"protocol: {name}\nversion: 1.0.0\nextends: {other}@1.0.0\n",
                f"{name}.yaml")  # fmt: skip
    with pytest.raises(ProtocolError, match="not there to be extended"):
        load_protocols([folder], builtin=False)


def test_overlapping_dates_are_told_with_file_and_line(tmp_path: Path) -> None:
    written(tmp_path, FILE)
    later = FILE.replace("1.0.0", "1.1.0").replace("from: 2025-01-01", "from: 2025-06-01")
    path = written(tmp_path, later, "mine-1.1.yaml")
    with pytest.raises(ProtocolError, match="end that one the day before") as error:
        load_protocols([tmp_path])
    assert str(error.value).startswith(f"{path}, line 4: ")


def test_one_version_twice_is_told_with_both_files(tmp_path: Path) -> None:
    written(tmp_path, FILE, "a.yaml")
    written(tmp_path, FILE, "b.yml")
    with pytest.raises(ProtocolError, match=r"b\.yml, line 1: mine@1.0.0 is in .*a\.yaml already"):
        load_protocols([tmp_path])


def test_an_override_that_changes_a_limit_shows_in_the_title(tmp_path: Path) -> None:
    written(tmp_path / "library", FILE)
    text = EXTENDING.replace(
        "  readings: {every: 20m}",
        "  readings: {every: 20m}\n  time: {max: 90m, title: Time, here up to 90 minutes}\n"
        "  dose: {severity: minor}\n  week: {within: 14d}",
    ).replace("Time, here", "Time here")
    protocol = load_protocol(written(tmp_path, text, "harbor.yaml"), [tmp_path / "library"])
    titles = {rule.id: rule.title for rule in protocol.rules}
    assert titles == {
        "dose": "Dose",
        "readings": "Readings (here at most 20 min apart)",
        "time": "Time here up to 90 minutes",
        "calm": "Calm",
        "week": "Week (here within 14 days, this one included)",
        "weight": "Weight",
    }


def test_yml_is_read_as_yaml_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    written(tmp_path, FILE, "mine.yml")
    written(tmp_path, DISPENSES, "home.YAML")
    written(tmp_path, "not: [yaml", ".#mine.yaml")
    written(tmp_path, "a note", "README.md")
    held = load_protocols([tmp_path], builtin=False)
    assert [protocol.protocol for protocol in held] == ["home", "mine"]
