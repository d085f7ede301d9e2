"""The file of risk signals is strict, and says of each signal what a reader must know."""

from __future__ import annotations

from importlib.resources import files

import pytest

from checks.contract import contract
from protocols.errors import ProtocolError
from protocols.instruments import instruments
from protocols.risk import FILE, read_risk, risk

TEXT = (files("protocols") / FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("    points: 2\n    tier: T4", "    points: 2\n    tier: T2", "T1 to T3 name a source"),
        ("    at_least: 4\n", "    at_least: -4\n", "greater than 0"),
        ("id: overlapping-supply", "id: early-refill", "stands here twice"),
        ("    missing_alone: true\n    points: 1", "    missing_alone: true\n    points: 2",
         "missing data alone weighs no more than 1"),
        ("score_least: 3", "score_least: 6", "levels begin at 0 and rise"),
        ("m: 0.88, u: 0.01", "m: 0.01, u: 0.01", "`m` is above `u`"),
        ("m: 0.88, u: 0.01", "m: 0.98, u: 0.01", "less than 1"),
        ("similarity: 0.85", "errors: 1, similarity: 0.85", "alike by `similarity`, or by"),
        ("    misleads: A holiday", "    mislead: A holiday", "line "),
    ],
)  # fmt: skip
def test_a_slip_is_told(was: str, is_now: str, said: str) -> None:
    assert was in TEXT
    with pytest.raises(ProtocolError) as caught:
        read_risk(TEXT.replace(was, is_now, 1))
    assert f"protocols/{FILE}, line " in str(caught.value)
    assert said in str(caught.value)


def test_bands_are_those_of_scales() -> None:
    scales = {scale.key: scale for scale in instruments().instruments}
    bands = {signal.id: signal.band for signal in risk().signals if signal.band}
    assert {band.instrument for band in bands.values()} <= set(scales)
    audit = bands["audit-c"]
    assert [audit.least(sex) for sex in ("F", "M", "X", None)] == [3, 4, 4, 4]
    assert [bands[name].least() for name in ("dast-10", "urinary-symptoms")] == [3, 19]


def test_every_form_and_column_exists() -> None:
    forms = contract("dispenses").column("form")
    assert forms is not None
    assert {of.column for of in risk().people.compared} <= set(contract("patients").names)
    assert set(risk().exposure.shares) == set(contract("doses").column("route").closed or ())
