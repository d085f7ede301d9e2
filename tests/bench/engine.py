"""Keel's engine on the twenty rules, in a process of its own: verdicts, and reasons for all that
is not met. Tells how many sessions meet the rivals' four conditions, so that the answers compare.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from pathlib import Path

import polars as pl

from protocols.evaluate import Judgement, judge
from protocols.load import load_protocol
from protocols.model import Protocol
from tests.bench.rivals.timing import repeat
from tests.bench.synthetic import read

RULES = Path(__file__).with_name("twenty.yaml")
# The rivals' names of the conditions, and the rules that ask the same.
SAME = {"baseline": "baseline-vitals", "every_15": "vitals-during-infusion",
        "at_120": "two-hours", "dose": "dose-per-kg"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine")
    parser.add_argument("folder", type=Path)
    parser.add_argument("times", type=int)
    parser.add_argument("--profile", action="store_true", help="say where the time goes, on stderr")
    options = parser.parse_args()
    facts, protocol = read(options.folder), twenty()
    repeat(lambda: told(judge([protocol], facts)), options.times)
    if options.profile:
        profiler = cProfile.Profile()
        profiler.runcall(judge, [protocol], facts)
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(35)


def twenty() -> Protocol:
    """The protocol of the bench."""
    protocol = load_protocol(RULES)
    assert len(protocol.rules) == 20
    return protocol


def told(judgement: Judgement) -> dict[str, int]:
    """What was said, so that nobody is measured on saying nothing."""
    verdicts = judgement.verdicts
    met = dict(
        verdicts.filter(pl.col("status").cast(pl.String) == "met")
        .join(judgement.rules, on="rule_no").group_by("rule_id").len().iter_rows()
    )  # fmt: skip
    statuses = verdicts["status"].cast(pl.String).value_counts().sort("status")
    return {
        **{condition: met.get(rule, 0) for condition, rule in SAME.items()},
        "sessions": len(judgement.subjects),
        "verdicts": len(verdicts),
        "reasons": len(judgement.words),
        **dict(statuses.iter_rows()),
    }


if __name__ == "__main__":
    main()
