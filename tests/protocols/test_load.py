"""Protocol files: what is wrong is told in one sentence with file, line and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.load import load_protocol, load_protocols

GOOD = """protocol: mine
version: 1.0.0
title: Mine
effective: {from: 2025-01-01}
drug: ketamine
programs: [iv_ketamine]
sources:
  trial: {citation: A trial, tier: T3}
measures:
  lowest: {of: vitals, window: [started_at, ended_at], take: min, expr: spo2_pct}
rules:
  - {id: one, title: One, kind: value, severity: major, tier: T4, expr: dose_mg, max: 100}
  - {id: two, title: Two, kind: cadence, severity: minor, tier: T3, source: trial, of: vitals,
     window: [started_at, ended_at], every: 15m}
"""


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path, GOOD))
    assert protocol.key == "mine@1.0.0"
    assert [rule.id for rule in protocol.rules] == ["one", "two"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dose_mg,", "dose_mgs,", r"line 12: .*did you mean dose_mg\?"),
        ("severity: major", "severity: grave", r"line 12: severity"),
        ("kind: cadence", "kind: rhythm", r"line 13"),
        ("every: 15m", "every: often", r"line 14: every must be a duration, .*15m"),
        ("every: 15m", "evry: 15m", r"did you mean every\?"),
        ("started_at, ended_at], every", "started, ended_at], every", r"line 14: .*started"),
        ("started_at, ended_at], every", "session_id, ended_at], every", r"neither a timestamp"),
        ("source: trial,", "", r"needs a source"),
        ("tier: T4", "tier: T4, source: trial", r"must not name a source"),
        ("source: trial", "source: trail", r"line 13: .*did you mean trial\?$"),
        ("tier: T3, source", "tier: T2, source", r"its source is T3"),
        ("id: two", "id: one", r"stands here twice"),
        ("protocol: mine", "protocol: &x mine", r"line 1: .*aliases"),
        ("drug: ketamine", "drug: no", r"line 5: unquoted no"),
        ("title: Mine", "title: Mine\ntitle: Yours", r"line 4: .*twice"),
        ("drug: ketamine", "judges: dispenses", r"line 6: programs is of sessions"),
        ("max: 100", "max: 100, is: true", r"needs `min` or `max`"),
        ("expr: dose_mg,", "expr: now(),", r"line 12: .*now, which is not allowed"),
        ("expr: dose_mg,", "expr: patient.phone,", r"which is no column"),
        ("expr: dose_mg,", "expr: program,", r"its limit is not"),
        ("version: 1.0.0", "version: one", r"line 2: version"),
        ("effective: {from: 2025-01-01}", "effective: {until: 2025-01-01}", r"line 4"),
    ],
)  # fmt: skip
def test_a_broken_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ProtocolError, match=said) as told:
        load_protocol(path)
    assert str(told.value).startswith(str(path))


def test_an_id_of_the_library_is_refused(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("protocol: mine", "protocol: iv-ketamine-depression"))
    with pytest.raises(ProtocolError, match="built-in library"):
        load_protocols([tmp_path])
    assert load_protocols([tmp_path], builtin=False)[0].protocol == "iv-ketamine-depression"


def test_versions_in_force_on_one_day_are_refused(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    later = GOOD.replace("1.0.0", "2.0.0").replace("2025-01-01", "2025-06-01")
    written(tmp_path, later, "later.yaml")
    with pytest.raises(ProtocolError, match="end that one the day before"):
        load_protocols([tmp_path], builtin=False)
    written(tmp_path, GOOD.replace("from: 2025-01-01", "from: 2025-01-01, to: 2025-05-31"))
    assert len(load_protocols([tmp_path], builtin=False)) == 2


def test_versions_share_their_drug(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("from: 2025-01-01", "from: 2025-01-01, to: 2025-05-31"))
    later = GOOD.replace("1.0.0", "2.0.0").replace("2025-01-01", "2025-06-01")
    written(tmp_path, later.replace("drug: ketamine", "drug: esketamine"), "later.yaml")
    with pytest.raises(ProtocolError, match="its drug differs"):
        load_protocols([tmp_path], builtin=False)


def test_extending_changes_and_drops_rules(tmp_path: Path) -> None:
    text = """protocol: harbor
version: 1.0.0
title: Harbor
extends: iv-ketamine-depression@1.0.0
clinics: [harbor]
overrides:
  infusion-time: {max: 50m}
  weight-charted: {dropped: weighed once a course}
"""
    protocol = load_protocol(written(tmp_path, text))
    rules = {rule.id: rule for rule in protocol.rules}
    assert "weight-charted" not in rules
    assert rules["infusion-time"].max.text == "50m"  # type: ignore[union-attr]
    assert rules["infusion-time"].min.text == "30m"  # type: ignore[union-attr]
    assert protocol.clinics == ("harbor",)


def test_extending_what_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    text = "protocol: x\nversion: 1.0.0\ntitle: X\nextends: iv-ketamine-depresion@1.0.0\n"
    with pytest.raises(ProtocolError, match=r"line 4: .*did you mean iv-ketamine-depression@1"):
        load_protocol(written(tmp_path, text))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="no such folder"):
        load_protocols([tmp_path / "none"])
