"""One night: its settings, its warehouse, its run, and the parts that the story calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from checks.contract import contract, contracts
from flows.days import Days
from flows.deliveries import land
from flows.judging import JudgingSummary, judge_network
from flows.landing import Found, discover
from flows.load import FeedSummary, load_feed
from flows.lock import Lock
from flows.progress import Progress, Silent, Stopwatch
from flows.publish import publish_run
from flows.runs import Run, add_notes, finish_run, keep_notes, start_run
from flows.settings import Settings
from flows.summary import Summary
from flows.warehouse import Warehouse, open_warehouse
from flows.watch import watch
from protocols.load import load_protocols
from protocols.model import Protocol

__all__ = ["Night", "Summary", "open_night"]


class Night:
    """The state that the parts of a night hand on; each part can be run again after a failure."""

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        run: Run,
        protocols: tuple[Protocol, ...],
        progress: Progress,
        only: tuple[Sequence[str], Sequence[str]],
        *,
        full: bool,
        days: Days | None,
    ) -> None:
        self.settings, self.warehouse, self.run = settings, warehouse, run
        self.protocols, self.progress = protocols, progress
        self.failure: Exception | None = None
        self._only_feeds, self._only_clinics = only
        self._full, self._days = full, days
        self._watch = Stopwatch()
        self._found = Found.nothing()
        self._loaded: dict[str, FeedSummary] = {}
        self._judged: JudgingSummary | None = None

    @property
    def feeds(self) -> list[str]:
        """Feeds in load order: what others refer to comes first."""
        return [feed for feed in contracts() if not self._only_feeds or feed in self._only_feeds]

    def land(self) -> None:
        """Find what is new under the landing folder and keep it as raw Parquet."""
        with self._stage("land", 0, 1):
            self._found = discover(
                self.settings, self.warehouse, self._only_feeds, self._only_clinics
            )
            left = land(self.warehouse, self._found, self.run, self.settings)
            self._found = self._found.leaving(left)
            keep_notes(self.warehouse, self.run, self._found.notes)

    def load(self, feed: str) -> None:
        """Type, validate and merge a feed's new batches into its facts, in one transaction."""
        with self._stage("load", self.feeds.index(feed), len(self.feeds), feed):
            self._loaded[feed] = load_feed(self.warehouse, feed, self.run, self.settings)

    def judge(self) -> None:
        """Facts to verdicts and marts."""

        def progress(step: int, of: int) -> None:
            self.progress.stage("judge", step, of, "")

        with self._stage("judge", 0, 1):
            self._judged = judge_network(
                self.warehouse, self.protocols, self.run, self.settings, progress,
                full=self._full, days=self._days,
            )  # fmt: skip
            add_notes(self.warehouse, self.run, self._judged.notes)

    def publish(self) -> None:
        """A run's folder, whole, and `current` moved to it."""
        with self._stage("publish", 0, 1):
            publish_run(self.warehouse, self.run, self.settings, self.protocols)
            finish_run(self.warehouse, self.run, "published")

    def summary(self) -> Summary:
        """What the night brought, counted."""
        assert self._judged is not None
        return Summary.of(
            self.run, self.settings, self._found, self._loaded, self._judged, self._watch.seconds,
            watch(self.warehouse, self.run, self.settings),
        )  # fmt: skip

    @contextmanager
    def _stage(self, name: str, step: int, of: int, what: str = "") -> Iterator[None]:
        self.progress.stage(name, step, of, what)
        self.warehouse.allow_memory()
        with self._watch.running(name):
            yield
        self.progress.stage(name, step + 1, of, what)


@contextmanager
def open_night(
    settings: Settings,
    *,
    feeds: Sequence[str] = (),
    clinics: Sequence[str] = (),
    progress: Progress | None = None,
    full: bool = False,
    days: Days | None = None,
    lock: Lock | None = None,
) -> Iterator[Night]:
    """A night on the settings' warehouse, which no other run can open meanwhile (the caller may
    have locked it already); `full` judges everything anew, not only what may have changed, `days`
    also the rows of those days.

    Raises CheckError or ProtocolError (a contract or protocol is broken), WarehouseBusy, DiskError.
    """
    for feed in feeds:
        contract(feed)
    protocols = load_protocols(settings.protocols, settings.builtin_protocols)
    with open_warehouse(settings.warehouse, lock, settings.memory_mb) as warehouse:
        run = start_run(warehouse, settings.now(), settings.publish)
        shown = progress or Silent()
        night = Night(
            settings, warehouse, run, protocols, shown, (feeds, clinics), full=full, days=days
        )
        try:
            yield night
        except BaseException:
            _fail(lambda: finish_run(warehouse, run, "failed"))
            raise


def _fail(note: Callable[[], Any]) -> None:
    """Write down the failure if the warehouse can still be written; the failure itself counts."""
    try:
        note()
    except Exception:
        return
