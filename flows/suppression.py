"""Which counts may not be shown to readers outside the network: those of few people, and those from
which such a one could be worked out.

A count of 1 to `small_cell - 1` people is sensitive. Hiding it alone does not hide it where a total
and its other parts are shown. So more is hidden until each sensitive count could just as well be
one less, and `small_cell - 1` more: both times there are whole numbers from 0 up for everything
hidden that fit everything shown. Whoever solves for a count is left with that range, and with two
values even when told which counts are the sensitive ones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
# How much rather a part is hidden than its total.
_TOTAL_WEIGHS = 8


@dataclass(frozen=True)
class Count:
    """A count (of people, sessions, courses) and how many people are behind it."""

    value: int
    people: int


@dataclass(frozen=True)
class Sum(Generic[Key]):
    """A total and its parts: a total may be the sum of other parts too."""

    total: Key
    parts: tuple[Key, ...]


def hidden(
    counts: Mapping[Key, Count], sums: Sequence[Sum[Key]], small_cell: int
) -> frozenset[Key]:
    """The keys of counts that may not be shown, nor any share made of them."""
    sensitive = [k for k, count in counts.items() if count.value and count.people < small_cell]
    found = set(sensitive)
    if found:
        search = _Search(counts, sums)
        for key in sorted(sensitive, key=lambda key: (-counts[key].value, repr(key))):
            for change in (small_cell - 1, -1):
                found |= search.moved_with(key, change, found)
    return frozenset(found)


class _Search(Generic[Key]):
    """For a count that is to be another, the cheapest other counts that change with it.

    A whole-number programme: each count has a rise and a fall (by its value at most), each sum
    stays a sum, and changing what is hidden already costs nothing.
    """

    def __init__(self, counts: Mapping[Key, Count], sums: Sequence[Sum[Key]]) -> None:
        import numpy as np

        self._keys = list(counts)
        self._place = {key: place for place, key in enumerate(self._keys)}
        size = len(self._keys)
        values = np.array([counts[key].value for key in self._keys], dtype=float)
        self._most = np.concatenate([np.full(size, np.inf), values])
        change = np.zeros((len(sums) + 1, size))  # the last row: the count that is to be another
        weight = np.array([math.log2(2 + value) for value in values])
        for row, one in enumerate(sums):
            change[row, self._place[one.total]] = -1
            change[row, [self._place[part] for part in one.parts]] = 1
            weight[self._place[one.total]] *= _TOTAL_WEIGHS
        self._change, self._weight = change, weight

    def moved_with(self, key: Key, change: int, free: Collection[Key]) -> set[Key]:
        """The keys whose counts change in the cheapest way for `key` to change so much."""
        import numpy as np
        from scipy.optimize import Bounds, LinearConstraint, milp

        rows = self._change.copy()
        rows[-1, self._place[key]] = 1
        sums = np.zeros(len(rows))
        sums[-1] = change
        cost = self._weight.copy()
        cost[[self._place[known] for known in free]] = 0
        solved = milp(
            np.concatenate([cost, cost]),
            constraints=LinearConstraint(np.hstack([rows, -rows]), sums, sums),
            bounds=Bounds(0, self._most),
            integrality=np.ones(2 * len(cost)),
        )
        # There is always a way: upwards with the totals above it, downwards too, as it is not 0.
        assert solved.x is not None, solved.message
        rise, fall = np.split(np.rint(solved.x), 2)
        return {self._keys[place] for place in np.flatnonzero(rise != fall)}
