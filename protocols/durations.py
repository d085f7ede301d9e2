"""Durations and windows as protocols write them: `15m`, `2h`, `7d`, `7cd`; `[start, end]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_DURATION = re.compile(r"(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m|h|d|cd)")
_LONGEST_DAYS = 36_525
_BOUND = re.compile(r"([A-Za-z_][\w.]*)(?:\s*([+-])\s*(\S+))?")


@dataclass(frozen=True)
class Length:
    """A length in microseconds, or a number of the clinic's calendar days (then length is 0)."""

    microseconds: int
    calendar_days: int | None
    text: str

    @property
    def delta(self) -> timedelta:
        """The exact length; calendar days have none of their own."""
        return timedelta(microseconds=self.microseconds)

    @property
    def minutes(self) -> float:
        """The exact length in minutes."""
        return self.microseconds / 60_000_000

    @property
    def words(self) -> str:
        """As a nurse would say it."""
        if self.calendar_days is not None:
            return f"{self.calendar_days} {'day' if self.calendar_days == 1 else 'days'}"
        for unit, name in (("d", "days"), ("h", "h"), ("m", "min")):
            if self.microseconds and self.microseconds % _UNITS[unit] == 0:
                number = self.microseconds // _UNITS[unit]
                return f"{number} {'day' if (name, number) == ('days', 1) else name}"
        return f"{self.microseconds / 1_000_000:g} s"


def parse_length(text: Any) -> Length:
    """`90s`, `15m`, `2h`, `7d` (24 h each) or `7cd` (calendar days); ValueError otherwise."""
    if isinstance(text, Length):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("must be a duration, for example 90s, 15m, 2h, 7d or 7cd")
    number, unit = match[1], match[2]
    if unit == "cd":
        if "." in number:
            raise ValueError("calendar days are whole, for example 7cd")
        length = Length(0, int(number), text)
    else:
        length = Length(round(float(number) * _UNITS[unit]), None, text)
    days = abs(length.calendar_days or 0) + abs(length.microseconds) // _UNITS["d"]
    if days > _LONGEST_DAYS:
        raise ValueError("is longer than a hundred years")
    return length


@dataclass(frozen=True)
class Bound:
    """A column that names a time, and a signed step from it."""

    anchor: str
    sign: int
    step: Length


@dataclass(frozen=True)
class Span:
    """A window; a bound that is None is open."""

    start: Bound | None
    end: Bound | None


def parse_window(value: Any) -> Span:
    """`[anchor - 30m, anchor + 2h]`; either may be null; ValueError otherwise."""
    if isinstance(value, Span):
        return value
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("is no window; write for example [started_at - 30m, started_at]")
    return Span(_bound(value[0]), _bound(value[1]))


def _bound(text: Any) -> Bound | None:
    if text is None:
        return None
    match = _BOUND.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("is no bound of a window; write for example started_at + 2h, or null")
    step = parse_length(match[3]) if match[3] else Length(0, None, "0s")
    return Bound(match[1], -1 if match[2] == "-" else 1, step)


_WRITTEN = {"type": "string", "pattern": f"^{_DURATION.pattern}$",
            "examples": ["90s", "15m", "2h", "7d", "7cd"]}  # fmt: skip
_END = {"type": ["string", "null"], "pattern": rf"^\s*{_BOUND.pattern}\s*$",
        "examples": ["started_at - 30m"]}  # fmt: skip
Duration = Annotated[
    Length, BeforeValidator(parse_length), PlainSerializer(lambda length: length.text),
    WithJsonSchema(_WRITTEN),
]  # fmt: skip
Window = Annotated[
    Span, BeforeValidator(parse_window),
    WithJsonSchema({"type": "array", "items": _END, "minItems": 2, "maxItems": 2}),
]  # fmt: skip
