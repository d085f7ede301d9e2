"""A landing folder and its warehouse, small enough to read: deliveries in, facts out."""

from __future__ import annotations

import copy
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from checks.contract import contract, contracts
from flows.deliveries import land
from flows.landing import Found, discover
from flows.load import FeedSummary, load_feed
from flows.runs import start_run
from flows.settings import FeedSettings, Settings
from flows.warehouse import Warehouse, open_warehouse, read_warehouse
from tests.prepared import copied

AS_OF = datetime(2026, 6, 1, 12, tzinfo=UTC)
NORTH, SOUTH = "north", "south"


def as_csv(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """Rows under a header; what a row lacks is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class Network:
    """Two clinics, Chicago (north) and Phoenix (south), and nights over what they deliver."""

    def __init__(self, folder: Path, *, full: Iterable[str] = (), share: float = 1.0) -> None:
        self.landing, self.folder = folder / "landing", folder
        self.settings = Settings(
            landing=self.landing,
            warehouse=folder / "warehouse",
            publish=folder / "published",
            as_of=AS_OF,
            quarantine_share=share,
            feeds={feed: FeedSettings(mode="full") for feed in full},
        )
        self.found = Found.nothing()
        self.deliver(
            "_network/clinics_2026-01-01.csv",
            "clinic_id,name,time_zone\n"
            f"{NORTH},North,America/Chicago\n{SOUTH},South,America/Phoenix\n",
        )

    def copied(self, folder: Path) -> Self:
        """The same as it is now in another folder, where a test may change what it likes."""
        other = copy.copy(self)
        other.folder, other.landing = copied(self.folder, folder), folder / "landing"
        other.settings = self.settings.model_copy(
            update={
                "landing": other.landing,
                "warehouse": folder / "warehouse",
                "publish": folder / "published",
            }
        )
        return other

    def deliver(self, name: str, content: str | bytes) -> Path:
        """Put a file under the landing folder."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def rows(
        self, name: str, rows: Sequence[Mapping[str, str]], columns: Sequence[str] | None = None
    ) -> Path:
        """Put rows of a feed there, as CSV with the columns that any of them has."""
        feed = name.split("/")[1].split("_")[0].split(".")[0]
        if columns is None:
            used = {column for row in rows for column in row}
            needed = {column.name for column in contract(feed).columns if column.required}
            listed = ("clinic_id", *(n for n in contract(feed).names if n != "clinic_id"))
            columns = [n for n in listed if n in used | needed]
        return self.deliver(name, as_csv(rows, columns))

    def night(self, feeds: Iterable[str] | None = None) -> dict[str, FeedSummary]:
        """Discover, land and load, as a night does."""
        with open_warehouse(self.settings.warehouse) as warehouse:
            run = start_run(warehouse, self.settings.now())
            self.found = discover(self.settings, warehouse, (), ())
            left = land(warehouse, self.found, run, self.settings)
            self.found = self.found.leaving(left)
            names = list(contracts()) if feeds is None else list(feeds)
            return {feed: load_feed(warehouse, feed, run, self.settings) for feed in names}

    def opened(self) -> Any:
        """The warehouse, for a look inside."""
        return open_warehouse(self.settings.warehouse)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query over the warehouse, which changes nothing."""
        with read_warehouse(self.settings.warehouse) as warehouse:
            return fetched(warehouse, query)

    def facts(self, feed: str, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of the rows in force, sorted."""
        return self.ask(f"SELECT {', '.join(columns)} FROM facts.{feed} ORDER BY ALL")

    def batches(self, feed: str) -> list[tuple[Any, ...]]:
        """(path, state, rows, loaded, unchanged, quarantined) by path."""
        return self.ask(
            "SELECT path, state, rows, loaded, unchanged, quarantined FROM ops.batches "
            f"WHERE feed = '{feed}' ORDER BY ALL"
        )

    def state(self, path: str) -> tuple[str, str | None]:
        """State of the latest batch of a path, and why."""
        rows = self.ask(
            f"SELECT state, reason FROM ops.batches WHERE path = '{path}' ORDER BY batch_no"
        )
        return rows[-1][0], rows[-1][1]


def fetched(warehouse: Warehouse, query: str) -> list[tuple[Any, ...]]:
    return warehouse.db.execute(query).fetchall()
