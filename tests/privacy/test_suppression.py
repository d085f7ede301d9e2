"""Small counts are hidden, and nobody can solve for them: tables by hand and at random."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.suppression import Count, Sum, hidden
from tests.privacy.attack import span

SMALL = 11


def people(**values: int) -> dict[str, Count]:
    return {name: Count(value, value) for name, value in values.items()}


def by_solving(
    counts: Mapping[str, Count], sums: list[Sum[str]], left_out: frozenset[str]
) -> dict[str, tuple[int, float]]:
    """What an attacker is left with, for each sensitive count."""
    shown = {name: count.value for name, count in counts.items() if name not in left_out}
    plain = [(one.total, one.parts) for one in sums]
    return {
        name: span(name, shown, list(counts), plain)
        for name, count in counts.items()
        if 1 <= count.people < SMALL
    }


def protected(counts: Mapping[str, Count], sums: list[Sum[str]]) -> frozenset[str]:
    """What is hidden, after every sensitive count was attacked."""
    left_out = hidden(counts, sums, SMALL)
    for name, (low, high) in by_solving(counts, sums, left_out).items():
        value = counts[name].value
        assert name in left_out
        assert low <= value - 1, name
        assert high >= value + SMALL - 1, name
    return left_out


# --- by hand ---


def test_one_small_part_takes_another_with_it() -> None:
    counts = people(all=60, a=3, b=20, c=37)
    assert hidden(counts, [Sum("all", ("a", "b", "c"))], SMALL) == {"a", "b"}


def test_zero_and_eleven_are_shown() -> None:
    counts = people(all=24, a=0, b=11, c=13)
    assert protected(counts, [Sum("all", ("a", "b", "c"))]) == frozenset()


@pytest.mark.parametrize("value", range(1, SMALL))
def test_each_of_one_to_ten_is_hidden(value: int) -> None:
    assert protected(people(a=value, b=SMALL), []) == {"a"}


def test_hiding_the_total_where_the_parts_cannot_hide_each_other() -> None:
    counts = people(all=12, a=3, b=9)
    assert protected(counts, [Sum("all", ("a", "b"))]) == {"all", "a", "b"}


def test_sessions_count_by_the_people_behind_them() -> None:
    counts = {"all": Count(500, 60), "missed": Count(40, 2), "met": Count(460, 60)}
    assert protected(counts, [Sum("all", ("missed", "met"))]) == {"missed", "met"}


def test_a_square_is_hidden_in_a_table_of_two_ways() -> None:
    values = {"a": (3, 30), "b": (25, 40), "c": (50, 60)}
    counts, sums = table(values)
    left_out = protected(counts, sums)
    assert left_out == {"a.0", "a.1", "b.0", "b.1"}


def test_without_the_second_step_the_count_is_told() -> None:
    """The attack itself: what it must find when only small counts are hidden."""
    counts = people(all=60, a=3, b=20, c=37)
    sums = [Sum("all", ("a", "b", "c"))]
    assert by_solving(counts, sums, frozenset({"a"})) == {"a": (3, 3)}


def test_the_smallest_cell_is_a_setting() -> None:
    counts, sums = people(all=60, a=3, b=20, c=37), [Sum("all", ("a", "b", "c"))]
    assert hidden(counts, sums, 3) == frozenset()
    assert hidden(counts, sums, 1) == frozenset()
    assert hidden(counts, sums, 4) == {"a", "b"}


# --- at random ---


def table(values: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, Count], list[Sum[str]]]:
    """A table of people with its sums by row and column."""
    counts: dict[str, Count] = {}
    sums: list[Sum[str]] = []
    width = range(len(next(iter(values.values()))))
    for row, cells in values.items():
        counts |= {f"{row}.{at}": Count(cell, cell) for at, cell in enumerate(cells)}
        counts[f"{row}.all"] = Count(sum(cells), sum(cells))
        sums.append(Sum(f"{row}.all", tuple(f"{row}.{at}" for at in width)))
    for column in [*map(str, width), "all"]:
        parts = tuple(f"{row}.{column}" for row in values)
        total = sum(counts[part].value for part in parts)
        counts[f"network.{column}"] = Count(total, total)
        sums.append(Sum(f"network.{column}", parts))
    sums.append(Sum("network.all", tuple(f"network.{at}" for at in width)))
    return counts, sums


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Count], list[Sum[str]]]:
    """Tables of two ways with small counts, zeros and great ones, of people or of sessions; the
    network's row may be split another way, by month."""
    cell = st.one_of(st.integers(0, 12), st.integers(0, 200))
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[cell] * width), min_size=1, max_size=5))
    counts, sums = table({f"r{at}": row for at, row in enumerate(rows)})
    if draw(st.booleans()):
        for column in range(width):
            whole = counts[f"network.{column}"].value
            first = draw(st.integers(0, whole))
            for month, value in (("m1", first), ("m2", whole - first)):
                counts[f"{month}.{column}"] = Count(value, value)
            sums.append(Sum(f"network.{column}", (f"m1.{column}", f"m2.{column}")))
    if draw(st.booleans()):
        each = draw(st.integers(1, 4))
        counts = {name: Count(count.value * each, count.value) for name, count in counts.items()}
    return counts, sums


@settings(max_examples=40)
@given(tables())
def test_no_hidden_count_can_be_solved_for(made: tuple[dict[str, Count], list[Sum[str]]]) -> None:
    protected(*made)


@pytest.mark.long
@settings(max_examples=2_000)
@given(tables())
def test_no_hidden_count_can_be_solved_for_in_2000_tables(
    made: tuple[dict[str, Count], list[Sum[str]]],
) -> None:
    protected(*made)
