"""What a true expression must have read: a row that lacks it may be left alone."""

from __future__ import annotations

import pytest

from protocols.necessary import Said, necessary_texts


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        (None, ()),
        ("kind = 'uds'", (("kind", ("uds",)),)),
        ("(kind = 'uds') and total > 3", (("kind", ("uds",)),)),
        ("kind in ('uds', 'lft') and kind <> 'x'", (("kind", ("lft", "uds")),)),
        ("kind in ('uds', 'lft') and kind in ('lft', 'ecg')", (("kind", ("lft",)),)),
        ("kind = 'uds' and kind = 'lft'", (("kind", ()),)),
        ("status = 'done' and kind = 'uds'", (("kind", ("uds",)), ("status", ("done",)))),
        ("kind = 'it''s'", (("kind", ("it's",)),)),
        ("kind = 'uds' or kind = 'lft'", ()),
        ("not kind = 'uds'", ()),
        ("kind not in ('uds')", ()),
        ("kind is null", ()),
        ("this.kind = 'uds' and staff.kind = 'nurse'", ()),
        ("kind = this.kind", ()),
        ("total = 3", ()),
        ("coalesce(kind, 'uds') = 'uds'", ()),
        ("kind in ('uds', this.kind)", ()),
        ("other = 'uds'", ()),
    ],
)
def test_what_it_must_say(expression: str | None, said: Said) -> None:
    assert necessary_texts(expression, {"kind", "status", "total"}) == said
