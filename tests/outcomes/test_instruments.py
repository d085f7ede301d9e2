"""The scales' file is held to its own rules."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from checks.contract import contracts
from protocols.errors import ProtocolError
from protocols.instruments import instruments, read_instruments
from protocols.load import load_protocol
from protocols.reference import pages

TEXT = (files("protocols") / "instruments.yaml").read_text(encoding="utf-8")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "instruments.md"


def test_the_page_in_the_repository_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == pages()["instruments.md"], "run `make docs`"


def test_the_feed_suggests_every_scale() -> None:
    suggested = contracts()["outcomes"].column("instrument").suggested or ()
    assert {scale.instrument for scale in instruments().instruments} <= set(suggested)


def test_every_source_is_used() -> None:
    used = {fact.source for fact in instruments().facts().values()}
    assert set(instruments().sources) <= used


def test_a_total_that_items_can_reach_is_in_range() -> None:
    for scale in instruments().instruments:
        if scale.items is None or scale.items.most is None or scale.scoring.by != "sum":
            continue
        numbers = range(1, scale.items.count + 1)
        assert sum(scale.items.most_of(item) or 0 for item in numbers) == scale.range.most


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{cut: 4, tier: T3, source: mcinnes-2022}", "{cut: 4, tier: T3}", "name a source"),
        ("{fall: 0.5, tier: T3, source: mcinnes-2022}", "{fall: 0.5, tier: T4, source: hull-2022}",
         "names none"),
        ("source: kroenke-2001}", "source: kroenke-1999}", "no source kroenke-1999"),
        ("least: 5, most: 9}\n        - {name: moderate, least: 10",
         "least: 5, most: 8}\n        - {name: moderate, least: 10", "without a gap"),
        ("{count: 9,", "{count: nine,", "integer"),
        ("domains: [[1, 2, 3, 4],", "domains: [[1, 2, 3],", "one domain"),
        ("    title: Patient Health", "    colour: blue\n    title: Patient Health", "Extra"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused(old: str, new: str, said: str) -> None:
    assert old in TEXT
    with pytest.raises(ProtocolError, match=said) as raised:
        read_instruments(TEXT.replace(old, new, 1))
    assert "instruments.yaml, line" in str(raised.value)


def test_a_primary_scale_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    text = (files("protocols") / "library" / "iv-ketamine-depression.yaml").read_text("utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("instrument: PHQ-9", "instrument: PHQ9", 1))
    with pytest.raises(ProtocolError, match=r"PHQ9 is no scale with totals.*PHQ-9"):
        load_protocol(path)
