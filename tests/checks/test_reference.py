"""The feeds' reference pages in the repository are what their contracts say."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.contract import common_text, contract_text, contracts, parse_contract
from checks.reference import page, pages, write

SHIPPED = Path(__file__).parents[2] / "docs" / "reference" / "feeds"


def test_the_pages_in_the_repository_are_current() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.md")}
    assert found == pages(), "run `make docs`"


def test_writing_removes_the_page_of_a_feed_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "vaccines.md").write_text("gone", encoding="utf-8")
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.md", *(f"{feed}.md" for feed in contracts())
    }  # fmt: skip


@pytest.mark.parametrize("feed", list(contracts()))
def test_a_page_names_every_column_once_in_its_table(feed: str) -> None:
    held = contracts()[feed]
    text = page(held)
    for column in held.columns:
        assert text.count(f"\n| `{column.name}` |") == 1
    for expectation in held.expectations:
        assert f"\n- `{expectation.id}`: " in text
    assert "None" not in text and "{" not in text


def test_a_changed_bound_changes_the_page() -> None:
    text = contract_text("vitals")
    changed = contract_text("vitals").replace("max_value: 400", "max_value: 399")
    before = page(parse_contract(text, common_text(), "vitals"))
    after = page(parse_contract(changed, common_text(), "vitals"))
    assert "20 to 400 mmHg" in before and "20 to 399 mmHg" in after
