"""Whether nights still happen: told from the name of the newest published run alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.runs import RUN_ID

CURRENT = "current"
"""The link in the folder of published runs that names the newest whole one."""


@dataclass(frozen=True)
class Life:
    """When the newest published night began, and whether that lies `within` the time allowed."""

    publish: Path
    began: datetime | None
    now: datetime
    within: timedelta

    @property
    def is_alive(self) -> bool:
        """Whether a night began lately enough; one of tomorrow has a clock that is wrong."""
        return self.began is not None and abs(self.now - self.began) <= self.within

    def sentence(self) -> str:
        """For a person, and for the alert."""
        if self.began is None:
            return f"{self.publish}: no night was ever published; look at the scheduler."
        hours = (self.now - self.began).total_seconds() / 3600
        said = f"{self.publish}: the newest night began {self.began:%Y-%m-%d %H:%M}Z"
        told = f"{said}, {hours:.1f} h ago"
        return told if self.is_alive else f"{told}; look at the scheduler and at its last run."

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "alive": self.is_alive,
            "began": self.began.isoformat() if self.began else None,
            "now": self.now.isoformat(),
            "within_hours": self.within.total_seconds() / 3600,
        }


def look_for_life(publish: Path, now: datetime, within: timedelta) -> Life:
    """Look at the folder of published runs."""
    return Life(publish, newest_night(publish), now, within)


def newest_night(publish: Path) -> datetime | None:
    """When the newest published run began; a link that leads nowhere counts as none."""
    current = publish / CURRENT
    run = RUN_ID.fullmatch(current.resolve().name) if current.is_dir() else None
    return datetime.strptime(run[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if run else None
