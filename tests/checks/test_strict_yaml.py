"""Two readers, one meaning: what libyaml takes, the reader in Python takes for the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

import checks.strict_yaml as strict_yaml
from checks.strict_yaml import Document, YamlProblem, parse

LIBRARY = sorted((Path(__file__).parents[2] / "protocols" / "library").glob("*.yaml"))
BITS = [
    "a", "b: ", "key: ", "- ", "  ", "\n", "\n  ", "\n- ", "{", "}", "[", "]", ", ", ": ", "'", '"',
    "#", " # c", "|\n  x", ">-\n  y", "010", "0o17", "1e3", "1_000", "1:30", "14:05", "true", "no",
    "~", "null", ".inf", "2026-01-05", "2026-01-05T10:00", '"14:05"', "&x ", "*x", "!t ", "---\n",
    "...\n", "%YAML 1.1\n", "\t", "?", "? k\n: v", "é", "\\", '"\\x41"', "<<: ", "=",
]  # fmt: skip


class NotTaken(Exception):
    """The fast reader leaves it to the other."""


def read(text: str, *, fast: bool) -> Document | None:
    """The document by one of the readers; None where it refuses the text."""

    def only(*, typ: str, pure: bool) -> YAML:
        if fast and pure:
            raise NotTaken
        return YAML(typ=typ, pure=not fast)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_yaml, "YAML", only)
        try:
            return parse(text)
        except (YamlProblem, NotTaken):
            return None


@example("%YAML 1.1\n---\na: 010\n")
@example("a: {at: 14:05}\n")
@given(st.lists(st.sampled_from(BITS), max_size=12).map("".join))
def test_both_readers_take_a_text_for_the_same(text: str) -> None:
    fast = read(text, fast=True)
    if fast is not None:
        slow = read(text, fast=False)
        assert slow is not None
        assert (fast.data, set(fast.lines)) == (slow.data, set(slow.lines))


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_the_library_is_read_by_the_fast_one(path: Path) -> None:
    assert read(path.read_text(encoding="utf-8"), fast=True) is not None
