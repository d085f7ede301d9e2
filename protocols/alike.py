"""Worked examples that begin as an earlier one and say only what differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocols.extending import Placed, nearest

_MERGED = ("row", "patient", "feeds")


def with_likeness(placed: Placed) -> dict[str, Any]:
    """The file's data with each example that is `like` an earlier one written out: columns of its
    `row` and `patient` and whole feeds go before the other's; `expect` is its own.

    Raises ProtocolError when there is no earlier example of that title.
    """
    written = placed.data.get("examples")
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        return placed.data  # told with its line when the whole is checked
    titled: dict[str, dict[str, Any]] = {}
    whole = [_filled(placed, at, example, titled) for at, example in enumerate(written)]
    return {**placed.data, "examples": whole}


def _filled(
    placed: Placed, at: int, example: dict[str, Any], titled: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    base: Mapping[str, Any] = {}
    if "like" in example:
        title = str(example["like"])
        if title not in titled:
            placed.fail(("examples", at, "like"), "there is no example of that title before this "
                        f"one{nearest(title, list(titled))}")  # fmt: skip
        base = titled[title]
    parts = [part for part in _MERGED if part in base or part in example]
    full = {**example, **{part: _merged(base, example, part) for part in parts}}
    titled[str(example.get("title"))] = full
    return full


def _merged(base: Mapping[str, Any], example: Mapping[str, Any], part: str) -> Any:
    own = example.get(part, {})
    return {**base.get(part, {}), **own} if isinstance(own, dict) else own
