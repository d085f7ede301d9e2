"""Timestamps against a plain oracle: Python's zoneinfo, one value at a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.contract import contract
from tests.checks.typed import typed, vital

VITALS = contract("vitals")
# One hour, none, none any more, half an hour, a change at midnight, a skipped day, two a year
# around a fasting month, minutes beside the hour, the International Date Line.
ZONES = [
    "America/New_York", "America/Phoenix", "Europe/Berlin", "Australia/Lord_Howe",
    "America/Havana", "Pacific/Apia", "Africa/Casablanca", "Asia/Kathmandu", "Pacific/Kiritimati",
    "America/Sao_Paulo", "Asia/Tehran", "UTC",
]  # fmt: skip
FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)


def oracle(text: str, zone: str) -> datetime | str:
    """The instant that a text means in a zone, or what is wrong with it."""
    match = FORM.fullmatch(text)
    if match is None or not 1900 <= int(match[1]) < 2200:
        return "unreadable"
    year, month, day, hour, minute = (int(part) for part in match.group(1, 2, 3, 4, 5))
    micros = int((match[7] or "0").ljust(6, "0"))
    try:
        wall = datetime(year, month, day, hour, minute, int(match[6] or 0), micros)  # noqa: DTZ001
    except ValueError:
        return "unreadable"
    offset = match[8]
    if offset == "Z":
        return wall.replace(tzinfo=UTC)
    if offset:
        hours, minutes = int(offset[1:3]), int(offset[4:])
        if hours > 15 or minutes > 59:
            return "unreadable"
        shift = timedelta(hours=hours, minutes=minutes)
        return wall.replace(tzinfo=UTC) - (shift if offset[0] == "+" else -shift)
    info = ZoneInfo(zone)
    meant = {wall.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1)}
    real = {at for at in meant if at.astimezone(info).replace(tzinfo=None) == wall}
    if len(real) == 1:
        return real.pop()
    return "ambiguous_local_time" if real else "missing_local_time"


def read(texts: list[tuple[str, str]]) -> list[datetime | str]:
    """What the typing SQL makes of (text, zone) pairs."""
    rows = typed(
        VITALS, [vital(measured_at=text) for text, _ in texts], zones=[zone for _, zone in texts]
    )
    found: list[datetime | str] = []
    for row in rows:
        at, problems = row["measured_at"], row["_problems"]
        assert (at is None) == bool(problems) and len(problems) <= 1
        found.append(problems[0].removeprefix("measured_at: ") if problems else at)
    return found


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("2026-01-15T10:00:00", "America/New_York", datetime(2026, 1, 15, 15, tzinfo=UTC)),
        ("2026-07-15 10:00", "America/New_York", datetime(2026, 7, 15, 14, tzinfo=UTC)),
        ("2026-07-15 10:00", "America/Phoenix", datetime(2026, 7, 15, 17, tzinfo=UTC)),
        ("2026-03-08T01:59:59.999999", "America/New_York",
         datetime(2026, 3, 8, 6, 59, 59, 999_999, UTC)),
        ("2026-03-08T02:00", "America/New_York", "missing_local_time"),
        ("2026-03-08T02:59:59.999999", "America/New_York", "missing_local_time"),
        ("2026-03-08T03:00", "America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("2026-11-01T00:59:59", "America/New_York", datetime(2026, 11, 1, 4, 59, 59, tzinfo=UTC)),
        ("2026-11-01T01:00", "America/New_York", "ambiguous_local_time"),
        ("2026-11-01T01:59:59.999999", "America/New_York", "ambiguous_local_time"),
        ("2026-11-01T02:00", "America/New_York", datetime(2026, 11, 1, 7, tzinfo=UTC)),
        ("2026-11-01T01:30-04:00", "America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        ("2026-11-01T01:30-05:00", "America/New_York", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-03-08T02:30", "America/Phoenix", datetime(2026, 3, 8, 9, 30, tzinfo=UTC)),
        ("2026-03-29T02:30", "Europe/Berlin", "missing_local_time"),
        ("2026-10-25T02:30", "Europe/Berlin", "ambiguous_local_time"),
        ("2026-04-05T01:45", "Australia/Lord_Howe", "ambiguous_local_time"),
        ("2026-04-05T01:29", "Australia/Lord_Howe", datetime(2026, 4, 4, 14, 29, tzinfo=UTC)),
        ("2026-10-04T02:15", "Australia/Lord_Howe", "missing_local_time"),
        ("2026-10-04T02:30", "Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("2026-03-08T00:30", "America/Havana", "missing_local_time"),
        ("2011-12-30T12:00", "Pacific/Apia", "missing_local_time"),
        ("1999-12-31T23:59", "America/New_York", datetime(2000, 1, 1, 4, 59, tzinfo=UTC)),
        ("2150-07-01T12:00", "America/New_York", datetime(2150, 7, 1, 16, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_time_means_what_it_says(text: str, zone: str, meant: datetime | str) -> None:
    assert oracle(text, zone) == meant
    assert read([(text, zone)]) == [meant]


@pytest.mark.parametrize(
    "text",
    ["2026-05-04", "2026-05-04T", "2026-05-04T10", "2026-05-04T1000", "20260504T1000Z",
     "2026-05-04t10:00", "2026-05-04T10:00z", "2026-05-04T10:00 Z", "2026-05-04T10:00+0400",
     "2026-05-04T10:00+04", "2026-05-04T10:00:60", "2026-05-04T24:00", "2026-05-04T10:00:00.",
     "2026-05-04T10:00:00,5", "2026-05-04T10:00:00.1234567", "2026-02-30T10:00",
     "2026-02-30T10:00Z", "2026-05-04  10:00", " 2026-05-04T10:00", "2026-05-04T10:00\n",
     "2026-05-04T10:00 America/New_York", "2026-05-04T10:00+99:00", "2026-05-04T10:00-04:60",
     "05/04/2026 10:00", "2026-125T10:00", "1777888800", "now", "infinity", "9999-12-31T23:59Z",
     "0001-01-01T00:00", "0000-01-01T00:00Z", "٢٠٢٦-05-04T10:00", "2026-05-04T10:00−04:00"],
)  # fmt: skip
def test_what_is_no_timestamp_quarantines(text: str) -> None:
    assert oracle(text, "UTC") == "unreadable"
    assert read([(text, "UTC")]) == ["unreadable"]


def test_a_local_time_needs_its_clinics_zone_and_an_instant_does_not() -> None:
    local, instant = typed(
        VITALS,
        [vital(measured_at="2026-05-04T10:00"), vital(measured_at="2026-05-04T10:00Z")],
        zones=[None, None],
    )
    assert local["_problems"] == ["clinic_id: unknown_clinic", "measured_at: no_time_zone"]
    assert instant["_problems"] == ["clinic_id: unknown_clinic"]


@pytest.mark.parametrize("zone", ZONES)
def test_every_quarter_hour_around_every_change_of_five_years(zone: str) -> None:
    info = ZoneInfo(zone)
    first = datetime.fromisoformat("2024-01-01")
    days = [first + timedelta(days=n) for n in range(5 * 366)]
    changing = [
        day for day in days
        if day.replace(tzinfo=info).utcoffset()
        != (day + timedelta(days=1)).replace(tzinfo=info).utcoffset()
    ]  # fmt: skip
    walls = [
        day + timedelta(minutes=15 * quarter) for day in changing for quarter in range(-96, 3 * 96)
    ]
    texts = [(wall.isoformat(), zone) for wall in walls or days]
    assert read(texts) == [oracle(*text) for text in texts]


def _near_changes() -> st.SearchStrategy[tuple[str, str]]:
    """Local times within hours of a change of offset in a zone, at any second."""
    changes = []
    for zone in ZONES:
        info = ZoneInfo(zone)
        at = datetime(1970, 1, 1, tzinfo=UTC)
        while at.year < 2100:
            later = at + timedelta(days=7)
            if at.astimezone(info).utcoffset() != later.astimezone(info).utcoffset():
                changes.append((zone, at.replace(tzinfo=None)))
            at = later
    shift = st.integers(-2 * 86400, 9 * 86400)
    return st.builds(
        lambda change, seconds: ((change[1] + timedelta(seconds=seconds)).isoformat(), change[0]),
        st.sampled_from(changes),
        shift,
    )


ANY_WALL = st.datetimes(
    datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2199-12-31T23:59:59.999999")
)
ANY_OFFSET = st.sampled_from(["", "Z", "+00:00", "-04:00", "+05:45", "+14:00", "-12:00"])
STAMPS = st.tuples(
    st.builds(
        lambda at, gap, form, offset: at.isoformat(gap, form) + offset,
        ANY_WALL,
        st.sampled_from("T "),
        st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]),
        ANY_OFFSET,
    ),
    st.sampled_from(ZONES),
)
# Almost timestamps: a good one with a character dropped, doubled or swapped.
MANGLED = st.builds(
    lambda stamp, at, put: (stamp[0][: at % 20] + put + stamp[0][at % 20 + 1 :], stamp[1]),
    STAMPS,
    st.integers(0, 19),
    st.sampled_from(["", "0", "9", ":", "-", "+", " ", "T", "Z", ".", "٣", "00"]),
)


@settings(max_examples=40)
@given(st.lists(st.one_of(_near_changes(), STAMPS, MANGLED), min_size=1, max_size=150))
def test_any_text_means_what_the_oracle_says(texts: list[tuple[str, str]]) -> None:
    assert read(texts) == [oracle(*text) for text in texts]
