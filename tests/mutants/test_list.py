"""The list of mutants still fits the source; `make mutants` runs the tests against each."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from protocols.kinds import kinds
from tests.mutants.mutants import Mutant, mutants

MUTANTS = mutants()


def test_ten_of_each_kind() -> None:
    count = Counter(mutant.kind for mutant in MUTANTS)
    assert set(count) == set(kinds())
    assert min(count.values()) >= 10


def test_none_is_listed_twice() -> None:
    changes = Counter((mutant.kind, mutant.file, mutant.mutated()) for mutant in MUTANTS)
    assert changes.most_common(1)[0][1] == 1


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_snippet_stands_once_in_its_file(mutant: Mutant) -> None:
    assert mutant.source().count(mutant.find) == 1
    before, after = ast.parse(mutant.source()), ast.parse(mutant.mutated())
    assert ast.dump(before) != ast.dump(after)
