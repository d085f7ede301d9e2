"""`make oracle`: 20,000 random subjects of each kind, and what was hard about them.

Writes docs/bench/oracle.txt. KEEL_SUBJECTS sets another number, KEEL_SEED another seed.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.comparison import compare, protocols_under_test
from tests.conditions import HARD, conditions
from tests.worlds import ZONES, apart, world

SUBJECTS = int(os.environ.get("KEEL_SUBJECTS", "20000"))
SEED = int(os.environ.get("KEEL_SEED", "20261123"))
CLINICS = 80
VERDICTS_AT_LEAST = SUBJECTS // 100
HARD_AT_LEAST = SUBJECTS // 400
BENCH = Path(__file__).parents[1] / "docs" / "bench" / "oracle.txt"
STATUSES = ("met", "not_met", "not_evaluable", "pending", "excluded")
# Kinds without a window never wait; the last two are versions of protocols with such rules.
NEVER_WAITING = {"value", "rate", "change", "by-course", "versions"}
PROTOCOLS = protocols_under_test()
LOG = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.mark.long
@pytest.mark.parametrize("name", list(PROTOCOLS))
def test_the_engine_finds_what_the_oracle_finds(name: str, lines: list[str]) -> None:
    random = Random(f"{SEED} {name}")
    subjects, verdicts, hard = 0, Counter[str](), Counter[str]()
    spent = 0.0
    while subjects < SUBJECTS:
        network = world(random, CLINICS)
        began = time.perf_counter()
        answer = compare(PROTOCOLS[name], network)
        spent += time.perf_counter() - began
        subjects += len(answer.subjects)
        verdicts.update(status for status, _ in answer.verdicts.values())
        for one in apart(network).values():
            hard += conditions(PROTOCOLS[name], one)
    LOG.info("\n%s", "\n".join(found := _described(name, subjects, spent, verdicts, hard)))
    waits = name not in NEVER_WAITING
    possible = [status for status in STATUSES if waits or status != "pending"]
    wanted = [*(f"zone {zone}" for zone in ZONES),
              *(what for what in HARD if waits or what != "cut-off within a window")]  # fmt: skip
    assert {status: verdicts[status] for status in possible
            if verdicts[status] < VERDICTS_AT_LEAST} == {}  # fmt: skip
    assert {what: hard[what] for what in wanted if hard[what] < HARD_AT_LEAST} == {}
    lines += found


@pytest.mark.long
def test_write_what_was_seen(lines: list[str]) -> None:
    """Comes last: `make oracle` keeps the order."""
    assert len(lines) == 4 * len(PROTOCOLS), "some protocol was not compared, or differed"
    head = f"The engine against the oracle, seed {SEED}: no difference. `make oracle` runs it.\n\n"
    BENCH.write_text(head + "\n".join(lines) + "\n" + _mended())


def _described(
    name: str, subjects: int, spent: float, verdicts: Counter[str], hard: Counter[str]
) -> list[str]:
    def said(names: tuple[str, ...], held: Counter[str]) -> str:
        return ", ".join(f"{one.removeprefix('zone ')} {held[one]:,}" for one in names)

    return [
        f"{name}: {subjects:,} subjects, {verdicts.total():,} verdicts, {spent:.0f} s",
        f"  verdicts  {said(STATUSES, verdicts)}",
        f"  subjects  {said(HARD, hard)}",
        f"  zones     {said(tuple(f'zone {zone}' for zone in ZONES), hard)}",
    ]


def _mended() -> str:
    """The differences that were found and mended stand at the end, by hand."""
    mark = "\nDifferences found and mended\n"
    text = BENCH.read_text() if BENCH.exists() else ""
    return mark + text.split(mark)[1] if mark in text else ""
