"""What a reader can work out of counts that were left out: each by solving for its range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp


def span(
    wanted: str,
    shown: Mapping[str, int],
    names: Sequence[str],
    sums: Sequence[tuple[str, Sequence[str]]],
) -> tuple[int, float]:
    """Least and greatest whole number that a count may be, given those shown and which add up;
    infinite where nothing bounds it."""  # fmt: skip
    place = {name: at for at, name in enumerate(names)}
    rows = np.zeros((max(len(sums), 1), len(names)))
    for row, (total, parts) in enumerate(sums):
        rows[row, place[total]] -= 1
        for part in parts:
            rows[row, place[part]] += 1
    low = np.array([shown.get(name, 0) for name in names], dtype=float)
    high = np.array([shown.get(name, np.inf) for name in names], dtype=float)
    found: list[float] = []
    for sign in (1, -1):
        aim = np.zeros(len(names))
        aim[place[wanted]] = sign
        solved = milp(aim, constraints=LinearConstraint(rows, 0, 0), bounds=Bounds(low, high),
                      integrality=np.ones(len(names)))  # fmt: skip
        found.append(np.inf if solved.x is None else round(sign * solved.fun))
    return int(found[0]), found[1]
