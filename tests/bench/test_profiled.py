"""A profile's samples: for what they were, and whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.profiled import innermost, part, samples


def test_a_line_is_a_stack_outermost_first_and_its_samples(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    stacks.write_text("main (flows/cli.py:9);run (a b/c.py:1) 12\nmain (flows/cli.py:9) 3\n")
    assert list(samples(stacks)) == [
        (["main (flows/cli.py:9)", "run (a b/c.py:1)"], 12),
        (["main (flows/cli.py:9)"], 3),
    ]


@pytest.mark.parametrize(
    ("frames", "of", "whose"),
    [
        (["<module> (flows/__main__.py:6)", "load_feed (/x/flows/load.py:20)",
          "validate (/x/checks/gx.py:54)", "execute (great_expectations/core/batch.py:3)"],
         "Great Expectations", "checks/gx.py: validate"),
        (["main (flows/cli.py:9)", "judge (protocols/evaluate.py:80)", "collect (polars/x.py:1)"],
         "the rest", "protocols/evaluate.py: judge"),
        (["judge_network (flows/judging.py:50)", "<module> (scipy/stats.py:1)",
          "_load_unlocked (<frozen importlib._bootstrap>:690)"],
         "imports", "flows/judging.py: judge_network"),
        (["_bootstrap (threading.py:1)", "marts (flows/costs.py:160)", "collect (polars/x.py:1)"],
         "judging", "flows/costs.py: marts"),
        (["thread (threading.py:1)"], "the rest", "before Keel's first line"),
    ],
)  # fmt: skip
def test_a_sample_counts_for_keels_innermost_function(
    frames: list[str], of: str, whose: str
) -> None:
    assert part(frames) == of
    assert innermost(frames) == whose
