"""What is planted is found, on networks that nobody looked at while the signals were written."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from protocols.risk import risk
from tests.risk.measure import measure, page

SEEDS = tuple(map(int, os.environ.get("KEEL_TEST_SEEDS", "5101 5202 5303 5404 5505").split()))
WRITTEN = Path(__file__).parents[2] / "docs" / "bench" / "risk.txt"
CLEAN_MOST = 0.02


@pytest.mark.long
def test_planted_risks_are_found_and_clean_patients_are_let_be(tmp_path: Path) -> None:
    counts = measure(tmp_path, SEEDS)
    text = page(counts, SEEDS)
    logging.getLogger(__name__).info("\n%s", text)
    WRITTEN.write_text(text, encoding="utf-8")
    missed = {
        signal.id: (counts.planted[signal.id], counts.found[signal.id])
        for signal in risk().signals
        if signal.exact and counts.found[signal.id] < counts.planted[signal.id]
    }
    assert not missed
    assert counts.clean_flagged <= CLEAN_MOST * counts.clean
    assert counts.pairs_told == sum(counts.pairs_found.values())
