"""The list of mutants keeps up with the engine."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import protocols
from protocols.kinds import kinds
from tests.mutants import MUTANTS, Mutant

ENGINE = Path(protocols.__file__).parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.kind}: {mutant.wrong}")
def test_each_mutant_changes_one_place(mutant: Mutant) -> None:
    text = (ENGINE / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.right) == 1
    assert mutant.right != mutant.wrong


def test_each_kind_has_ten() -> None:
    counts = Counter(mutant.kind for mutant in MUTANTS)
    assert set(counts) == set(kinds())
    assert min(counts.values()) >= 10
