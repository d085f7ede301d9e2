"""Buckets judged two at a time: given in their order, none drawn before there is room for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

import flows.judged_buckets
from flows.judged_buckets import AT_A_TIME, judged_buckets


def judged(monkeypatch: pytest.MonkeyPatch, buckets: Iterator[Any], judge: Any) -> Iterator[Any]:
    monkeypatch.setattr(flows.judged_buckets, "_judged", lambda bucket, *_: judge(bucket))
    return judged_buckets(buckets, (), None, pl.DataFrame())


def test_the_first_comes_first_though_the_second_is_done_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    second = threading.Event()

    def judge(bucket: int) -> int:
        if bucket == 0:
            assert second.wait(timeout=60), "the second was not begun beside the first"
        second.set()
        return bucket

    assert list(judged(monkeypatch, iter(range(5)), judge)) == [0, 1, 2, 3, 4]


def test_no_more_are_held_than_are_judged_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, given = 0, 0

    def buckets() -> Iterator[int]:
        nonlocal drawn
        for bucket in range(6):
            drawn += 1
            yield bucket

    for _ in judged(monkeypatch, buckets(), lambda bucket: bucket):
        assert drawn - given <= AT_A_TIME
        given += 1
    assert given == drawn == 6


def test_one_that_fails_ends_the_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(bucket: int) -> int:
        if bucket == 1:
            raise ValueError("second")
        return bucket

    parts = judged(monkeypatch, iter(range(4)), judge)
    assert next(parts) == 0
    with pytest.raises(ValueError, match="second"):
        list(parts)
