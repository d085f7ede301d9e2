"""A night ends, whatever becomes of Prefect's server.

The flow runs in a thread of its own. When it breaks off for a reason that is not the night's, or
lets more time pass between two parts than it may, the parts that are left are run without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial

from flows.night import Night, Summary
from flows.story import Step, plainly, tell

START_SECONDS = 180.0
"""How long Prefect may take to begin: the first start of a server of its own makes a database."""
SILENCE_SECONDS = 25.0
"""How long it may take from the end of a part to the next one's beginning, or to its own end."""


class Abandoned(Exception):
    """Told to a flow that comes to a part which is not its any more."""


class Baton:
    """Whoever has it runs the parts; it knows which are done and how long nothing ran."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._done: set[str] = set()
        self._since = time.monotonic()
        self._running = self._begun = self._dropped = False
        self.failed = False

    def carried(self, step: Step) -> Step:
        """The step, while the baton is the flow's."""

        def run(name: str, part: Callable[[], None], *, retries: int = 0) -> None:
            def mine() -> None:
                with self._held(name):
                    part()

            step(name, mine, retries=retries)

        return run

    def left_over(self, name: str, part: Callable[[], None], *, retries: int = 0) -> None:
        """A step that runs plainly what is not done yet."""
        if name not in self._done:
            plainly(name, part, retries=retries)

    def drop(self) -> bool:
        """Take it from the flow, unless a part is running."""
        with self._lock:
            self._dropped = not self._running
            return self._dropped

    @property
    def is_late(self) -> bool:
        """Whether no part has run for longer than may be."""
        allowed = SILENCE_SECONDS if self._begun else START_SECONDS
        return not self._running and time.monotonic() - self._since > allowed

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        with self._lock:
            if self._dropped:
                raise Abandoned
            self._running = self._begun = True
        try:
            yield
            self._done.add(name)
            self.failed = False
        except BaseException:
            self.failed = True
            raise
        finally:
            self._since, self._running = time.monotonic(), False


def supervised(night: Night, step: Step, flow: Callable[[Step], None]) -> Summary:
    """Run the flow with its steps; what it leaves undone is done plainly, and said.

    Raises what a part of the night raised.
    """
    baton, ended = Baton(), _Ending()
    of = partial(copy_context().run, ended.of, flow, baton.carried(step))
    thread = threading.Thread(target=of, daemon=True)
    thread.start()
    while thread.is_alive() and not (baton.is_late and baton.drop()):
        thread.join(0.1)
    if ended.error is not None and baton.failed:
        raise ended.error
    if thread.is_alive() or ended.error is not None:
        baton.drop()
        night.progress.say(f"Prefect {_what(ended.error)}: the night goes on without it")
        return tell(night, baton.left_over)
    return night.summary()


def _what(error: BaseException | None) -> str:
    return "does not answer" if error is None else f"broke off ({type(error).__name__})"


class _Ending:
    """How the flow ended."""

    error: BaseException | None = None

    def of(self, flow: Callable[[Step], None], step: Step) -> None:
        try:
            flow(step)
        except BaseException as error:
            self.error = error
