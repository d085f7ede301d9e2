"""docs/performance.md says what docs/bench holds."""

from __future__ import annotations

from tests.bench.page import DOCS, page, read, targets


def test_the_page_is_in_step_with_the_figures() -> None:
    folder = DOCS / "bench"
    found = [read(folder, what) for what in ("nightly", "rules", "profile")]
    assert (DOCS / "performance.md").read_text(encoding="utf-8") == page(*found)


def test_what_was_not_measured_is_said_to_be_so() -> None:
    rules = [{"size": 10, "ratio": 3.5}]
    lines = targets([], rules).splitlines()
    assert lines[0] == "| figure | at most | 10 sessions |"
    assert lines[2] == "| 20 rules to four conditions by hand in Polars | 4 x | 3.5 x |"
    assert lines[4] == "| full night to bare load | 6 x | not measured |"
