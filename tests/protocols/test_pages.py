"""The library's pages in the repository are what its files say, and hold all that is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.load import load_protocols
from protocols.model import Protocol
from protocols.pages import file_name, page, pages, write

SHIPPED = Path(__file__).parents[2] / "docs" / "reference" / "protocols"
LIBRARY = load_protocols([])


def test_the_pages_in_the_repository_are_current() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.md")}
    assert found == pages(), "run `make docs`"


def test_writing_removes_the_page_of_a_protocol_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "gone-1.0.0.md").write_text("gone", encoding="utf-8")
    write(tmp_path)
    wanted = {"index.md", *(file_name(one) for one in LIBRARY)}
    assert {path.name for path in tmp_path.iterdir()} == wanted


@pytest.mark.parametrize("protocol", LIBRARY, ids=lambda protocol: protocol.key)
def test_a_page_holds_every_rule_source_and_example(protocol: Protocol) -> None:
    text = page(protocol)
    for at, rule in enumerate(protocol.rules, start=1):
        assert text.count(f"\n### {at}. {rule.title}\n") == 1
        assert f"| Rule | `{rule.id}` |" in text
    assert text.count("\n| Tier | T") == len(protocol.rules)
    for name in protocol.sources:
        assert text.count(f"\n| {name} | ") == 1
    assert text.count(protocol.sha256) == 1
    assert "None" not in text.replace("None: every rule is a house rule.", "")


def test_what_is_recalled_and_noted_is_said(tmp_path: Path) -> None:
    first = LIBRARY[0]
    name, source = next(iter(first.sources.items()))
    rule = next(rule for rule in first.rules if rule.source == name)
    changed = first.model_copy(
        update={
            "sources": {name: source.model_copy(update={"confidence": "recalled"})},
            "rules": (rule.model_copy(update={"note": "Confirm it", "target": 0.9}),),
        }
    )
    text = page(changed)
    assert "| Confidence | recalled, not read: confirm before relying on it |" in text
    assert "| Note | Confirm it |" in text
    assert "| Target | 0.9 |" in text
