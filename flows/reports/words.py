"""How the report writes numbers, times and names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

EMPTY = "–"
SIGNALS: Mapping[str, str] = {
    "outside": "outside the limits", "shift": "seven or more on one side of the mean",
    "trend": "seven or more rising or falling", "near_limit": "two of three near a limit",
}  # fmt: skip


def percent(share: float | None) -> str:
    """A share as whole per cent; a miss never rounds up to 100, nor a hit down to 0."""
    if share is None:
        return EMPTY
    rounded = round(share * 100)
    if rounded == 100 and share < 1:
        return f"{int(share * 1000) / 10:.1f} %"
    if rounded == 0 and share > 0:
        return "<1 %"
    return f"{rounded} %"


def number(value: float | Decimal | None) -> str:
    """A count with thousands marked; other numbers with at most two decimals."""
    if value is None:
        return EMPTY
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")


def usd(value: float | Decimal | None) -> str:
    """US dollars, whole from a hundred on."""
    if value is None:
        return EMPTY
    if not value:
        return "$0"
    sign = "−" if value < 0 else ""
    size = abs(float(value))
    return f"{sign}${size:,.0f}" if size >= 100 else f"{sign}${size:,.2f}"


def counted(count: int, noun: str) -> str:
    """ "1 session", "1,234 sessions"; s and ch take es, y after a consonant becomes ies."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith(("s", "ch")):
        noun += "es"
    elif noun.endswith("y") and noun[-2] not in "aeiou":
        noun = noun[:-1] + "ies"
    else:
        noun += "s"
    return f"{count:,} {noun}"


def day(value: date | datetime | None) -> str:
    """ "1 Nov 2026"."""
    return f"{value.day} {value:%b %Y}" if value is not None else EMPTY


def days(first: date, last: date) -> str:
    """ "1 Nov 2026", "28 Oct to 1 Nov 2026", "30 Dec 2025 to 2 Jan 2026"."""
    if first == last:
        return day(first)
    start = f"{first.day} {first:%b}" if first.year == last.year else day(first)
    return f"{start} to {day(last)}"


def month(value: date | None) -> str:
    """ "November 2026"."""
    return f"{value:%B %Y}" if value is not None else EMPTY


def local(value: datetime | None, zone: str, form: str = "%a {} %b %H:%M") -> str:
    """An instant in a clinic's time zone: "Sun 1 Nov 09:30"."""
    if value is None:
        return EMPTY
    here = value.astimezone(ZoneInfo(zone))
    return here.strftime(form).replace("{}", str(here.day))


def clock(value: datetime | None, zone: str) -> str:
    """Local time of day: "09:30"."""
    return local(value, zone, "%H:%M")


def ago(then: datetime, now: datetime) -> str:
    """How long before, in the largest unit that says it: "3 h", "5 days"."""
    return length(now - then)


def length(span: timedelta) -> str:
    """A length of time in whole minutes, hours or days."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{max(minutes, 0)} min"
    hours = minutes // 60
    return f"{hours} h" if hours < 48 else f"{hours // 24} days"


def hours(value: float | Decimal) -> str:
    """A number of hours as a length of time."""
    return length(timedelta(hours=float(value)))


def plain(code: str) -> str:
    """A code as words: not_met -> "not met"."""
    return code.replace("_", " ")


FILTERS: Mapping[str, Any] = {
    "percent": percent, "number": number, "usd": usd, "day": day, "month": month, "local": local,
    "clock": clock, "plain": plain, "counted": counted, "span": length, "hours": hours,
}  # fmt: skip
