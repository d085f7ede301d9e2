"""Parts computed two at a time: given in their order, none drawn before there is room for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flows.beside import AT_A_TIME, beside


def test_the_first_comes_first_though_the_second_is_done_before() -> None:
    second = threading.Event()

    def compute(part: int) -> int:
        if part == 0:
            assert second.wait(timeout=60), "the second was not begun beside the first"
        second.set()
        return part

    assert list(beside(iter(range(5)), compute)) == [0, 1, 2, 3, 4]


def test_no_more_are_held_than_are_computed_at_a_time() -> None:
    drawn, given = 0, 0

    def parts() -> Iterator[int]:
        nonlocal drawn
        for part in range(6):
            drawn += 1
            yield part

    for _ in beside(parts(), lambda part: part):
        assert drawn - given <= AT_A_TIME
        given += 1
    assert given == drawn == 6


def test_parts_are_drawn_in_the_callers_thread() -> None:
    def parts() -> Iterator[int]:
        for _ in range(3):
            yield threading.get_ident()

    assert set(beside(parts(), lambda part: part)) == {threading.get_ident()}


def test_one_that_fails_ends_it() -> None:
    def compute(part: int) -> int:
        if part == 1:
            raise ValueError("second")
        return part

    found = beside(iter(range(4)), compute)
    assert next(found) == 0
    with pytest.raises(ValueError, match="second"):
        list(found)
