"""A landing folder in two: the history, and what a later night brings.

Late are the rows of the last days that hold about the wanted share of the sessions: sessions that
began (or were booked) on day D or later, rows that belong to such a session, and rows of other
feeds that happened on D or later. What lies ahead of the later night (booked sessions) was known
before, so it stays, and so does what has no event of its own (patients, clinics, staff, rates,
medications, waivers). Where one day is already too much, the days' rows are late only at the
first clinics that together hold the share.

A row is kept exactly once, as it was, but for one thing: where rows are late, the history's
`extracted_at` is at most the morning of D, as the exports of that morning would say; else the
cut-offs of the later night would not move.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb

from checks.contract import contracts

STAYS = ("medications", "waivers")
MORNING = time(11, tzinfo=UTC)  # when the sample network's exports are taken
JUDGED = time(12, tzinfo=UTC)
READ = "all_varchar = true, header = true, delim = ',', auto_detect = false, quote = '\"'"


@dataclass(frozen=True)
class Split:
    """`share` of all sessions is late; the history is to be judged at `as_of`."""

    day: date
    share: float
    sessions: int
    late_rows: int
    clinics: tuple[str, ...]
    as_of: datetime


def split(landing: Path, late: Path, as_of: datetime, share: float = 0.01) -> Split:
    """Move what is late from `landing` to the same folders under `late`, in new files."""
    with duckdb.connect() as db:
        db.execute("SET threads = 2")
        days = {key: n for key, n in _days(db, landing).items() if key[1] <= as_of.date()}
        day = _day(days, share)
        clinics = _clinics(days, day, share)
        moved = sum(
            _split_clinic(db, landing / clinic, late / clinic, day, as_of) for clinic in clinics
        )
    held = sum(days.values())
    brought = sum(n for (clinic, at), n in days.items() if at >= day and clinic in clinics)
    everywhere = len(clinics) == len({clinic for clinic, _ in days})
    before = datetime.combine(day, JUDGED) if everywhere else as_of - timedelta(minutes=30)
    return Split(day, brought / held, brought, moved, clinics, min(before, as_of))


def _days(db: duckdb.DuckDBPyConnection, landing: Path) -> dict[tuple[str, date], int]:
    """Sessions by clinic and day."""
    counts: dict[tuple[str, date], int] = {}
    for folder in sorted(path for path in landing.iterdir() if list(path.glob("sessions_*.csv"))):
        rows = db.execute(
            f"SELECT {_date('sessions')} AS day, count(DISTINCT session_id) "
            f"FROM {_csv(sorted(folder.glob('sessions_*.csv')))} WHERE day IS NOT NULL GROUP BY ALL"
        ).fetchall()
        counts |= {(folder.name, at): n for at, n in rows}
    return counts


def _day(days: dict[tuple[str, date], int], share: float) -> date:
    """The day from which on the share of sessions is nearest to the wanted one."""
    total = sum(days.values())

    def off(day: date) -> float:
        return abs(sum(n for (_, at), n in days.items() if at >= day) / total - share)

    return min(sorted({at for _, at in days}, reverse=True), key=off)


def _clinics(days: dict[tuple[str, date], int], day: date, share: float) -> tuple[str, ...]:
    """All clinics, or the first that hold the share where all would bring half as much again."""
    total = sum(days.values())
    late: dict[str, int] = {}
    for (clinic, at), n in sorted(days.items()):
        late[clinic] = late.get(clinic, 0) + n * (at >= day)
    if sum(late.values()) <= 1.5 * share * total:
        return tuple(late)
    chosen: list[str] = []
    for clinic in late:
        if sum(late[each] for each in chosen) >= share * total:
            break
        chosen.append(clinic)
    return tuple(chosen)


def _split_clinic(
    db: duckdb.DuckDBPyConnection, folder: Path, late: Path, day: date, as_of: datetime
) -> int:
    late.mkdir(parents=True, exist_ok=True)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE late_sessions AS SELECT DISTINCT session_id "
        f"FROM {_csv(sorted(folder.glob('sessions_*.csv')))} "
        f"WHERE {_date('sessions')} BETWEEN DATE '{day}' AND DATE '{as_of:%Y-%m-%d}'"
    )
    moved = 0
    for feed, contract in contracts().items():
        files = sorted(folder.glob(f"{feed}_*.csv"))
        if not files or feed in STAYS or contract.event_time is None:
            continue
        moved += _split_feed(db, feed, files, late / f"{feed}_{as_of:%Y-%m-%d}.csv", day, as_of)
    return moved


def _split_feed(
    db: duckdb.DuckDBPyConnection,
    feed: str,
    files: list[Path],
    late: Path,
    day: date,
    as_of: datetime,
) -> int:
    """The late rows of a feed's files go to one new file; the files keep the others."""
    morning = f"{datetime.combine(day, MORNING):%Y-%m-%dT%H:%M:%SZ}"
    linked = "session_id" in _header(files[0])
    of_session = "coalesce(session_id IN (FROM late_sessions), false)" if linked else "false"
    days = f"BETWEEN DATE '{day}' AND DATE '{as_of:%Y-%m-%d}'"
    is_late = f"({of_session} OR coalesce({_date(feed)} {days}, false))"
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE held AS SELECT *, filename AS _file, {is_late} AS _late "
        f"FROM {_csv(files)}"
    )
    counted = db.execute("SELECT count(*) FROM held WHERE _late").fetchone()
    assert counted is not None
    if counted[0]:
        _write(db, "SELECT * EXCLUDE (_file, filename, _late) FROM held WHERE _late", late)
    changed = db.execute(
        "SELECT _file, count(*) FILTER (NOT _late) FROM held GROUP BY ALL "
        f"HAVING bool_or(_late) OR max(extracted_at) > '{morning}'"
    ).fetchall()
    for file, left in changed:
        if not left:
            Path(file).unlink()
            continue
        capped = (
            f"CASE WHEN extracted_at > '{morning}' THEN '{morning}' ELSE extracted_at END "
            "AS extracted_at"
        )
        _write(
            db,
            f"SELECT * EXCLUDE (_file, filename, _late) REPLACE ({capped}) FROM held "
            f"WHERE NOT _late AND _file = '{file}'",
            Path(file),
        )
    db.execute("DROP TABLE held")
    return int(counted[0])


def _write(db: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    db.execute(f"COPY ({select}) TO '{path}' (HEADER, DELIMITER ',')")


def _date(feed: str) -> str:
    """The day at the head of the row's event time, as the clinic wrote it."""
    event = contracts()[feed].event_time
    at = {"sessions": "coalesce(started_at, scheduled_at)",
          "contacts": "coalesce(started_at, scheduled_at)"}.get(feed, event)  # fmt: skip
    return f"try_cast(left({at}, 10) AS DATE)"


def _header(path: Path) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().split(",")


def _csv(files: list[Path]) -> str:
    """The files of one feed of one clinic, whose columns are the same."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in _header(files[0]))
    named = ", ".join(f"'{file}'" for file in files)
    return f"read_csv([{named}], {READ}, columns = {{{columns}}}, filename = true)"
