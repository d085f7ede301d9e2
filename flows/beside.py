"""Parts computed beside one another, in the order in which they come.

Computing one keeps about one core busy, so that two are computed at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Found = TypeVar("Found")
AT_A_TIME = 2


def beside(parts: Iterable[Part], compute: Callable[[Part], Found]) -> Iterator[Found]:
    """What `compute` makes of each part. The parts are drawn, and what it makes is given, in the
    caller's thread: a part may come from the warehouse, and what is made of it go there.
    """
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        begun: deque[Future[Found]] = deque()
        for part in parts:
            begun.append(pool.submit(compute, part))
            if len(begun) == AT_A_TIME:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
